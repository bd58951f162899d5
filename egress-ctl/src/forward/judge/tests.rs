use super::*;

fn device(index: u32, name: &str) -> Device {
    Device {
        index,
        name: name.to_owned(),
        kind: None,
        mac: Some([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        is_port: false,
    }
}

fn family() -> FamilyFacts {
    FamilyFacts {
        forwards: [Some(true); 2],
        hooks: Some(Vec::new()),
        rules: Some(Vec::new()),
        spreads_by_ports: Some(false),
    }
}

/// Nothing is in doubt.
fn sure() -> Facts {
    Facts {
        from: Some(device(3, "eth1")),
        to: Some(device(2, "eth0")),
        is_native: true,
        trusts: false,
        strips_tags: Some(false),
        transmits: Some(true),
        before: Some(Vec::new()),
        behind: Some(Vec::new()),
        disciplines: Some(vec!["mq".to_owned(), "fq_codel".to_owned()]),
        has_ipsec: Some(false),
        v4: family(),
        v6: family(),
    }
}

fn judged(facts: &Facts) -> [Result<(), Doubt>; 2] {
    [true, false].map(|is_v4| facts.judge(is_v4, ["eth1", "eth0"]))
}

#[test]
fn without_a_doubt_it_is_on() {
    assert_eq!(judged(&sure()), [Ok(()), Ok(())]);
    let mut veth = sure();
    if let Some(from) = &mut veth.from {
        from.kind = Some("veth".to_owned());
    }
    assert_eq!(judged(&veth)[0], Err(Doubt::Peer("eth1".to_owned())));
    veth.trusts = true;
    veth.strips_tags = Some(true);
    assert_eq!(judged(&veth), [Ok(()), Ok(())]);
}

type Spoil = fn(&mut Facts);

#[test]
fn any_doubt_turns_it_off_and_says_what_to_do() {
    let table: [(Spoil, &str); 25] = [
        (|f| f.from = None, "no interface eth1"),
        (|f| f.to = None, "no interface eth0"),
        (|f| f.is_native = false, "native XDP"),
        (|f| f.strips_tags = Some(true), "rxvlan off"),
        (|f| f.strips_tags = None, "does not tell whether the driver"),
        (|f| f.transmits = Some(false), "driver of eth0"),
        (|f| f.transmits = None, "Linux 6.3"),
        (|f| f.before = None, "who else"),
        (|f| f.behind = None, "who else"),
        (
            |f| f.before = Some(vec!["program 7 of TCX".to_owned()]),
            "eth1 and would not any more: program 7",
        ),
        (
            |f| f.behind = Some(vec!["a filter of TC (u32)".to_owned()]),
            "u32",
        ),
        (
            |f| f.disciplines = Some(vec!["tbf".to_owned()]),
            "tc qdisc del dev eth0 root",
        ),
        (|f| f.disciplines = None, "queueing"),
        (|f| f.has_ipsec = Some(true), "IPsec"),
        (|f| f.has_ipsec = None, "IPsec"),
        (
            |f| f.from.as_mut().unwrap().is_port = true,
            "eth1 is a port",
        ),
        (|f| f.to.as_mut().unwrap().is_port = true, "eth0 is a port"),
        (
            |f| f.to.as_mut().unwrap().kind = Some("vlan".to_owned()),
            "(vlan)",
        ),
        (
            |f| f.from.as_mut().unwrap().kind = Some("bridge".to_owned()),
            "(bridge)",
        ),
        (|f| f.to.as_mut().unwrap().mac = None, "not of Ethernet"),
        (
            |f| both(f, |v| v.forwards[0] = Some(false)),
            "conf.eth1.forwarding",
        ),
        (|f| both(f, |v| v.forwards[1] = None), "whether it forwards"),
        (
            |f| {
                both(f, |v| {
                    v.rules = Some(vec!["rule 5 goes by ports".to_owned()]);
                });
            },
            "rule 5",
        ),
        (|f| both(f, |v| v.hooks = None), "netfilter"),
        (
            |f| both(f, |v| v.spreads_by_ports = Some(true)),
            "fib_multipath_hash_policy",
        ),
    ];
    for (spoil, expected) in table {
        let mut facts = sure();
        spoil(&mut facts);
        for doubt in judged(&facts) {
            let told = doubt.expect_err(expected).to_string();
            assert!(told.contains(expected), "{told}");
        }
    }
}

fn both(facts: &mut Facts, spoil: fn(&mut FamilyFacts)) {
    spoil(&mut facts.v4);
    spoil(&mut facts.v6);
}

#[test]
fn families_are_judged_by_themselves() {
    let mut facts = sure();
    let hooks = ["nf_nat_ipv4_out of nf_nat"; 5].map(str::to_owned);
    facts.v4.hooks = Some(hooks.to_vec());
    let [v4, v6] = judged(&facts);
    assert_eq!(v6, Ok(()));
    let told = v4.unwrap_err().to_string();
    assert!(
        told.contains("masquerading") && told.matches("nf_nat_ipv4_out").count() == 1,
        "{told}"
    );
}
