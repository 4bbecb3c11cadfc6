//! Countries that share a border on land, or a tunnel or bridge across a strait: between those people travel in minutes.
//!
//! By ISO 3166-1 codes; each pair once. Written from general knowledge, not taken from a list: a mistake here makes one
//! journey more or less.

/// A country, and those of its neighbours that no line before has it beside.
const BORDERS: &[(&str, &str)] = &[
    ("AD", "ES FR"),
    ("AE", "OM SA"),
    ("AF", "CN IR PK TJ TM UZ"),
    ("AL", "GR ME MK RS XK"),
    ("AM", "AZ GE IR TR"),
    ("AO", "CD CG NA ZM"),
    ("AR", "BO BR CL PY UY"),
    ("AT", "CH CZ DE HU IT LI SI SK"),
    ("AZ", "GE IR RU TR"),
    ("BA", "HR ME RS"),
    ("BD", "IN MM"),
    ("BE", "DE FR LU NL"),
    ("BF", "BJ CI GH ML NE TG"),
    ("BG", "GR MK RO RS TR"),
    ("BH", "SA"),
    ("BI", "CD RW TZ"),
    ("BJ", "NE NG TG"),
    ("BN", "MY"),
    ("BO", "BR CL PE PY"),
    ("BR", "CO GF GY PE PY SR UY VE"),
    ("BT", "CN IN"),
    ("BW", "NA ZA ZM ZW"),
    ("BY", "LT LV PL RU UA"),
    ("BZ", "GT MX"),
    ("CA", "US"),
    ("CD", "CF CG RW SS TZ UG ZM"),
    ("CF", "CG CM SD SS TD"),
    ("CG", "CM GA"),
    ("CH", "DE FR IT LI"),
    ("CI", "GH GN LR ML"),
    ("CL", "PE"),
    ("CM", "GA GQ NG TD"),
    ("CN", "HK IN KG KP KZ LA MM MN MO NP PK RU TJ VN"),
    ("CO", "EC PA PE VE"),
    ("CR", "NI PA"),
    ("CZ", "DE PL SK"),
    ("DE", "DK FR LU NL PL"),
    ("DJ", "ER ET SO"),
    ("DK", "SE"),
    ("DO", "HT"),
    ("DZ", "EH LY MA ML MR NE TN"),
    ("EC", "PE"),
    ("EE", "LV RU"),
    ("EG", "IL LY PS SD"),
    ("EH", "MA MR"),
    ("ER", "ET SD"),
    ("ES", "FR GI MA PT"),
    ("ET", "KE SD SO SS"),
    ("FI", "NO RU SE"),
    ("FR", "GB IT LU MC"),
    ("GA", "GQ"),
    ("GB", "IE"),
    ("GE", "RU TR"),
    ("GF", "SR"),
    ("GH", "TG"),
    ("GM", "SN"),
    ("GN", "GW LR ML SL SN"),
    ("GR", "MK TR"),
    ("GT", "HN MX SV"),
    ("GW", "SN"),
    ("GY", "SR VE"),
    ("HK", "MO"),
    ("HN", "NI SV"),
    ("HR", "HU ME RS SI"),
    ("HU", "RO RS SI SK UA"),
    ("ID", "MY PG TL"),
    ("IL", "JO LB PS SY"),
    ("IN", "LK MM NP PK"),
    ("IQ", "IR JO KW SA SY TR"),
    ("IR", "PK TM TR"),
    ("IT", "SI SM VA"),
    ("JO", "PS SA SY"),
    ("KE", "SO SS TZ UG"),
    ("KG", "KZ TJ UZ"),
    ("KH", "LA TH VN"),
    ("KP", "KR RU"),
    ("KW", "SA"),
    ("KZ", "RU TM UZ"),
    ("LA", "MM TH VN"),
    ("LB", "SY"),
    ("LR", "SL"),
    ("LS", "ZA"),
    ("LT", "LV PL RU"),
    ("LV", "RU"),
    ("LY", "NE SD TD TN"),
    ("MD", "RO UA"),
    ("ME", "RS XK"),
    ("MF", "SX"),
    ("MK", "RS XK"),
    ("ML", "MR NE SN"),
    ("MM", "TH"),
    ("MN", "RU"),
    ("MR", "SN"),
    ("MW", "MZ TZ ZM"),
    ("MY", "SG TH"),
    ("MZ", "SZ TZ ZA ZM ZW"),
    ("NA", "ZA ZM"),
    ("NE", "NG TD"),
    ("NG", "TD"),
    ("NO", "RU SE"),
    ("OM", "SA YE"),
    ("PL", "RU SK UA"),
    ("QA", "SA"),
    ("RO", "RS UA"),
    ("RS", "XK"),
    ("RU", "UA"),
    ("RW", "TZ UG"),
    ("SA", "YE"),
    ("SD", "SS TD"),
    ("SK", "UA"),
    ("SS", "UG"),
    ("SY", "TR"),
    ("SZ", "ZA"),
    ("TJ", "UZ"),
    ("TM", "UZ"),
    ("TZ", "UG ZM"),
    ("US", "MX"),
    ("ZA", "ZW"),
    ("ZM", "ZW"),
];

/// Whether two countries share a border.
pub fn share_border(one: &str, other: &str) -> bool {
    let beside = |a: &str, b: &str| {
        BORDERS
            .iter()
            .any(|(country, others)| *country == a && others.split(' ').any(|other| other == b))
    };
    beside(one, other) || beside(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_others() {
        for (one, other) in [
            ("NL", "DE"),
            ("DE", "NL"),
            ("US", "MX"),
            ("CA", "US"),
            ("FR", "GB"),
            ("SE", "DK"),
        ] {
            assert!(share_border(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("NL", "BR"),
            ("US", "GB"),
            ("NL", "LU"),
            ("JP", "KR"),
            ("AU", "NZ"),
            ("XX", "NL"),
        ] {
            assert!(!share_border(one, other), "{one} {other}");
        }
    }

    #[test]
    fn the_table_is_well_formed() {
        let mut pairs = std::collections::BTreeSet::new();
        for (country, others) in BORDERS {
            for other in others.split(' ') {
                assert!(
                    country.len() == 2 && other.len() == 2 && *country != other,
                    "{country} {other}"
                );
                let pair = if *country < other {
                    (*country, other)
                } else {
                    (other, *country)
                };
                assert!(pairs.insert(pair), "{pair:?} stands twice");
            }
        }
        assert!(pairs.len() > 300, "{}", pairs.len());
    }
}
