//! Secrets of a config, and of addresses on the web.

/// What stands in place of a secret.
const REDACTED: &str = "(redacted)";
/// Parts of keys whose values are secrets, or say whose gateway it is.
const SECRETS: [&str; 6] = [
    "tenant", "token", "secret", "password", "passwd", "key-file",
];

/// A config's text without its secrets, and how many there were.
pub fn config(text: &str) -> (String, usize) {
    let mut count = 0;
    let lines = text.lines().map(|line| {
        let bare = line.trim_start().trim_start_matches('#');
        let key = bare
            .split_once('=')
            .map(|(key, _)| key.trim().to_ascii_lowercase());
        let is_secret = key.is_some_and(|key| SECRETS.iter().any(|secret| key.contains(secret)));
        let (line, found) = match is_secret {
            true => (behind_equals(line), 1),
            false => urls(line),
        };
        count += found;
        line + "\n"
    });
    (lines.collect(), count)
}

fn behind_equals(line: &str) -> String {
    let key = line.split_once('=').map_or(line, |(key, _)| key.trim_end());
    format!("{key} = \"{REDACTED}\"")
}

/// A text whose addresses on the web name neither users nor parameters, and how many did.
pub fn urls(text: &str) -> (String, usize) {
    let mut told = String::with_capacity(text.len());
    let (mut rest, mut count) = (text, 0);
    while let Some(at) = rest.find("://") {
        let (before, behind) = rest.split_at(at + 3);
        let is_end = |c: char| c.is_whitespace() || "\"'<>)`,;".contains(c);
        let (url, behind) = behind.split_at(behind.find(is_end).unwrap_or(behind.len()));
        let (url, found) = one_url(url);
        told.push_str(before);
        told.push_str(&url);
        count += found;
        rest = behind;
    }
    told.push_str(rest);
    (told, count)
}

/// What stands behind `://`.
fn one_url(url: &str) -> (String, usize) {
    let (address, query) = match url.split_once(['?', '#']) {
        Some((address, _)) => (address, true),
        None => (url, false),
    };
    let (host, path) = match address.find('/') {
        Some(at) => address.split_at(at),
        None => (address, ""),
    };
    let (user, host) = match host.rsplit_once('@') {
        Some((_, host)) => (true, host),
        None => (false, host),
    };
    let user_text = if user {
        format!("{REDACTED}@")
    } else {
        String::new()
    };
    let query_text = if query {
        format!("?{REDACTED}")
    } else {
        String::new()
    };
    let url = format!("{user_text}{host}{path}{query_text}");
    (url, usize::from(user) + usize::from(query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_and_nothing_else() {
        let text = "\
[source.m365]
tenant = \"contoso\"
# tenant = \"fabrikam\"
url = \"https://user:pw@mirror.example/m365?sig=abc\"
[group.a]
clients = [\"10.20.0.0/16\"]
[ui]
token-file = '/etc/egress/token'
";
        let expected = "\
[source.m365]
tenant = \"(redacted)\"
# tenant = \"(redacted)\"
url = \"https://(redacted)@mirror.example/m365?(redacted)\"
[group.a]
clients = [\"10.20.0.0/16\"]
[ui]
token-file = \"(redacted)\"
";
        assert_eq!(config(text), (expected.to_owned(), 5));
        let plain = "GET https://endpoints.office.com/version, then http://[::1]:80/x";
        assert_eq!(urls(plain), (plain.to_owned(), 0));
    }
}
