//! The web service's endpoint sets in CSV.
//!
//! In: lines under a head that names the columns, in any order; several urls or prefixes stand in
//! one field behind commas. Out: a page.

use super::{Keys, SourceError};
use crate::catalogue::{
    finding::{Finding, Severity},
    page::Page,
    record::SetRecord,
    sound::sound,
};

/// All that can be read of a CSV text, as the source called `source`.
pub(super) fn page(text: &str, source: &str) -> Result<Page, SourceError> {
    let error = |fault| SourceError::Csv {
        origin: source.to_owned(),
        fault,
    };
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let columns = Columns(reader.headers().map_err(error)?.clone());
    let mut page = Page::default();
    let mut keys = Keys::new(source);
    for row in reader.records() {
        let row = row.map_err(error)?;
        let line = row
            .position()
            .map_or(0, |at| u32::try_from(at.line()).unwrap_or(u32::MAX));
        let Some(record) = columns.record(&row, source, line, &mut keys) else {
            let message = "a row without a number of an endpoint set is left out";
            page.findings
                .push(Finding::at(Severity::Error, "id", line, message));
            continue;
        };
        page.sets.extend(sound(record, &mut page.findings));
    }
    Ok(page)
}

/// The head.
struct Columns(csv::StringRecord);

impl Columns {
    fn text<'a>(&self, row: &'a csv::StringRecord, name: &str) -> &'a str {
        let named = |head: &str| head.trim().eq_ignore_ascii_case(name);
        let at = self.0.iter().position(named);
        at.and_then(|at| row.get(at)).unwrap_or_default().trim()
    }

    fn record(
        &self,
        row: &csv::StringRecord,
        source: &str,
        line: u32,
        keys: &mut Keys<'_>,
    ) -> Option<SetRecord> {
        let text = |name| self.text(row, name);
        let owned = |name| Some(text(name).to_owned()).filter(|text| !text.is_empty());
        let yes = |name| text(name).eq_ignore_ascii_case("true");
        let list = |name| {
            let items = text(name).split([',', ';', ' ']).map(str::trim);
            items
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let id: u32 = text("id").parse().ok()?;
        Some(SetRecord {
            source: source.to_owned(),
            key: keys.next(id.to_string()),
            id: Some(id),
            description: owned("serviceAreaDisplayName")
                .or_else(|| owned("serviceArea"))
                .unwrap_or_default(),
            service_area: owned("serviceArea"),
            category: text("category").to_owned(),
            required: yes("required"),
            express_route: yes("expressRoute"),
            urls: list("urls"),
            ips: list("ips"),
            tcp_ports: owned("tcpPorts"),
            udp_ports: owned("udpPorts"),
            notes: owned("notes"),
            line: Some(line),
            ..SetRecord::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "id,serviceArea,serviceAreaDisplayName,urls,ips,tcpPorts,udpPorts,expressRoute,category,required,notes\n\
        1,Exchange,Exchange Online,\"a.example,*.b.example\",\"192.0.2.0/24,2001:db8::/32\",\"80,443\",443,True,Optimize,True,\n\
        x,,,,,,,,,,\n\
        2,Common,,c.example,,99999,,False,Default,False,\"Some, notes\"\n";

    #[test]
    fn rows_become_sets() {
        let page = page(CSV, "m365").unwrap();
        let [first, second] = page.sets.as_slice() else {
            panic!("{:?}", page.sets);
        };
        assert_eq!((first.urls.len(), first.ips.len()), (2, 2));
        assert_eq!((first.required, first.express_route), (true, true));
        assert_eq!(
            (first.tcp_ports.to_string(), first.udp_ports.to_string()),
            ("80,443".into(), "443".into())
        );
        assert_eq!(second.notes.as_deref(), Some("Some, notes"));
        let found: Vec<_> = page.findings.iter().map(|f| (f.rule, f.line)).collect();
        assert_eq!(found, [("id", Some(3)), ("port", Some(4))]);
    }
}
