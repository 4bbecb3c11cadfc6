//! Domain names that belong together: `r1.cdn.example.net`, `r2.cdn.example.net`, … are one destination,
//! `*.cdn.example.net`, once there are enough of them. Names under a parent that rents its children out are not.

/// Names known under one parent that make the parent known. Services number their hosts (`a1`, `a2`, …) or mint names
/// without end; eight have been enough to tell that from a handful of services of one owner, and too many for an
/// intruder to slip in unseen before.
const ENOUGH: usize = 8;
/// Labels of a name that are looked at; RFC 1035 section 2.3.4 allows 127 of them.
const DEEPEST: usize = 8;

/// Parents whose children belong to whoever pays, the well-known ones: object stores, content networks, tunnels, page
/// hosts. From the private section of the Public Suffix List (publicsuffix.org). `*` stands for one label. What lies
/// above one of them is no family either.
const SHARED: [&str; 40] = [
    "*.compute.amazonaws.com",
    "compute-1.amazonaws.com",
    "*.elb.amazonaws.com",
    "execute-api.*.amazonaws.com",
    "lambda-url.*.on.aws",
    "s3.*.amazonaws.com",
    "s3-website.*.amazonaws.com",
    "s3.amazonaws.com",
    "*.awsapprunner.com",
    "*.elasticbeanstalk.com",
    "cloudfront.net",
    "azureedge.net",
    "azurefd.net",
    "azurewebsites.net",
    "cloudapp.net",
    "*.cloudapp.azure.com",
    "blob.core.windows.net",
    "file.core.windows.net",
    "web.core.windows.net",
    "trafficmanager.net",
    "*.r.appspot.com",
    "*.run.app",
    "web.app",
    "firebaseapp.com",
    "firebaseio.com",
    "storage.googleapis.com",
    "*.workers.dev",
    "pages.dev",
    "r2.dev",
    "trycloudflare.com",
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "netlify.app",
    "vercel.app",
    "ngrok.io",
    "ngrok.app",
    "ngrok-free.app",
    "fly.dev",
    "digitaloceanspaces.com",
];

/// Second labels under which countries register names for others (`co.uk`, `com.br`, `or.jp`).
const REGISTRY_LABELS: [&str; 16] = [
    "ac", "co", "com", "edu", "gob", "gouv", "gov", "govt", "gv", "mil", "ne", "net", "nom", "or", "org", "sch",
];

/// How the parent of names that belong together is written.
pub fn family(parent: &str) -> String {
    format!("*.{parent}")
}

/// The parents of `name` that could make a family, nearest first: at least two labels, not a place where names are
/// registered for or rented to others.
pub fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.')
        .map(|(at, _)| &name[at + 1..])
        .take(DEEPEST)
        .filter(|parent| may_be_family(parent))
}

/// The nearest parent of `name` under which `known` holds enough names (`name` among them) to be a family.
pub fn grown_family<'a, 'k>(name: &'a str, known: &(impl Iterator<Item = &'k str> + Clone)) -> Option<&'a str> {
    parents(name).find(|parent| {
        known
            .clone()
            .filter(|other| is_under(other, parent))
            .take(ENOUGH)
            .count()
            == ENOUGH
    })
}

/// The domain that somebody registered, or rented, at the end of `name`: its last two labels, more where those are a
/// place where names are registered for or rented to others.
pub fn registered(name: &str) -> &str {
    let dots = name.rmatch_indices('.').skip(1);
    let longer = dots.map(|(at, _)| &name[at + 1..]).take(DEEPEST);
    longer
        .chain([name])
        .find(|domain| may_be_family(domain))
        .unwrap_or(name)
}

/// Whether `name` lies below `parent`.
pub fn is_under(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent)
        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

fn may_be_family(parent: &str) -> bool {
    let Some((label, top)) = parent.rsplit_once('.') else {
        return false;
    };
    let registers = !label.contains('.') && top.len() == 2 && REGISTRY_LABELS.contains(&label);
    !registers && !label.is_empty() && !SHARED.iter().any(|shared| is_or_holds(parent, shared))
}

/// Whether `parent` is what `pattern` says or lies above it: label by label from the right; `*` is any one label.
fn is_or_holds(parent: &str, pattern: &str) -> bool {
    let mut wanted = pattern.rsplit('.');
    parent
        .rsplit('.')
        .all(|label| wanted.next().is_some_and(|want| want == "*" || want == label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[String], expected: Option<&str>) {
        let last = names.last().unwrap();
        assert_eq!(grown_family(last, &names.iter().map(String::as_str)), expected);
    }

    fn numbered(count: usize, parent: &str) -> Vec<String> {
        (0..count).map(|n| format!("r{n}.{parent}")).collect()
    }

    #[test]
    fn many_names_under_one_parent_are_a_family() {
        check(&numbered(ENOUGH - 1, "cdn.example.net"), None);
        check(&numbered(ENOUGH, "cdn.example.net"), Some("cdn.example.net"));
        check(&numbered(ENOUGH, "example.net"), Some("example.net"));
    }

    #[test]
    fn the_registered_domain_is_found() {
        for (name, domain) in [
            ("a.b.example.net", "example.net"),
            ("example.net", "example.net"),
            ("a.b.example.co.uk", "example.co.uk"),
            ("x.y.ours.s3.amazonaws.com", "ours.s3.amazonaws.com"),
            ("d1.cloudfront.net", "d1.cloudfront.net"),
            ("localhost", "localhost"),
            ("co.uk", "co.uk"),
        ] {
            assert_eq!(registered(name), domain, "{name}");
        }
    }

    // Two labels that change: the family is one level up.
    #[test]
    fn the_nearest_parent_with_enough_below_it() {
        let names: Vec<String> = (0..ENOUGH).map(|n| format!("a{n}.b{n}.cdn.example.net")).collect();
        check(&names, Some("cdn.example.net"));
    }

    #[test]
    fn registries_and_landlords_are_no_family() {
        for parent in [
            "net",
            "co.uk",
            "com.br",
            "s3.amazonaws.com",
            "s3.eu-west-1.amazonaws.com",
            "eu-west-1.amazonaws.com",
            "amazonaws.com",
            "github.io",
            "cloudfront.net",
        ] {
            check(&numbered(ENOUGH * 2, parent), None);
        }
        // What one tenant has below its own name is its own.
        check(&numbered(ENOUGH, "acme.github.io"), Some("acme.github.io"));
        check(&numbered(ENOUGH, "acme.co.uk"), Some("acme.co.uk"));
    }

    #[test]
    fn below_means_below_a_dot() {
        assert!(is_under("a.example.net", "example.net"));
        assert!(!is_under("example.net", "example.net"));
        assert!(!is_under("evilexample.net", "example.net"));
        assert!(!is_under(".example.net", "example.net"));
    }

    #[test]
    fn odd_names_do_no_harm() {
        for name in ["", ".", "..", "a..b", "...........", &"a.".repeat(1_000)] {
            for parent in parents(name) {
                assert!(parent.len() < name.len());
            }
        }
    }
}
