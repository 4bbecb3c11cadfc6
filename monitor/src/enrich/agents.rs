//! What a `User-Agent` says that it is: a browser, an app, a library, a crawler, a scanner.
//!
//! Only what it says: whoever wants to is a browser (see the fingerprint beside it). The words were gathered from the
//! programs' own documentation and defaults; the first kind that fits counts: scanner, crawler, library, app, browser.

use rustc_hash::FxHashMap;

/// Agents of a generation that are remembered with their class; two are 16,384, within 4 MB.
const GENERATION: usize = 8_192;

/// Programs that look for weaknesses.
const SCANNERS: &[&str] = &[
    "sqlmap",
    "nikto",
    "nmap scripting",
    "masscan",
    "zgrab",
    "nuclei",
    "gobuster",
    "fuzz faster u fool",
    "ffuf",
    "dirbuster",
    "dirsearch",
    "wfuzz",
    "feroxbuster",
    "hydra",
    "acunetix",
    "nessus",
    "openvas",
    "owasp zap",
    "zaproxy",
    "arachni",
    "w3af",
    "whatweb",
    "wpscan",
    "joomscan",
    "skipfish",
    "jaeles",
    "projectdiscovery",
    "netsparker",
    "invicti",
    "qualys",
    "commix",
    "havij",
    "metasploit",
    "patator",
    "l9explore",
    "l9tcpid",
    "leakix",
    "censysinspect",
    "expanse, a palo alto",
    "internet-measurement",
    "xsser",
    "kiterunner",
    "sqlninja",
    "webinspect",
    "paros/",
    "morfeus",
    "zmeu",
    "detectify",
    "burpcollaborator",
    "burp suite",
    "wapiti",
    "vega/",
    "sslyze",
    "testssl",
    "zmap",
    "naabu",
    "katana/",
    "subfinder",
    "crackmapexec",
    "interactsh",
    "xray/",
    "fimap",
    "brutus",
    "bsqlbf",
    "uniscan",
    "rustbuster",
    "cloudmapper",
    "shodan",
    "nessus",
    "jorgee",
    "hello, world",
    "mozlila/",
    "security-scan",
    "securityscan",
    "security scan",
    "whatwaf",
    "jbrofuzz",
    "libwhisker",
    "nettacker",
    "sysscan",
    "webshag",
    "wprecon",
    "ironwasp",
    "n-stalker",
    "cmsmap",
    "xsstrike",
    "droopescan",
    "ghauri",
    "wpprobe",
    "sstimap",
    "tplmap",
    "dotdotpwn",
    "shortscan",
    "kadimus",
    "lfisuite",
    "graphw00f",
    "graphql-cop",
    "jsql",
    "trufflehog",
    "tinja",
    "appscan",
    "fuzz faster",
    "nmap",
    "panoptic",
    "appspider",
];

/// Programs that visit by themselves, for search, previews, archives, models, uptime.
const CRAWLERS: &[&str] = &[
    "crawl",
    "spider",
    "slurp",
    "archiver",
    "mediapartners",
    "facebookexternalhit",
    "facebookcatalog",
    "bingpreview",
    "feedfetcher",
    "google-read-aloud",
    "google-inspectiontool",
    "google-extended",
    "googleother",
    "apis-google",
    "google favicon",
    "google web preview",
    "google-site-verification",
    "google page speed",
    "duplexweb",
    "chrome-lighthouse",
    "headlesschrome",
    "phantomjs",
    "pingdom",
    "statuscake",
    "gtmetrix",
    "w3c_validator",
    "validator.nu",
    "whatsapp/",
    "skypeuripreview",
    "embedly",
    "quora link preview",
    "outbrain",
    "flipboard",
    "tumblr/",
    "bitlybot",
    "nuzzel",
    "vkshare",
    "redditbot",
    "slack-imgproxy",
    "iframely",
    "scrapy",
    "heritrix",
    "nutch",
    "wordpress/",
    "feedly",
    "feedburner",
    "newsblur",
    "inoreader",
    "tiny tiny rss",
    "netvibes",
    "feedbin",
    "freshrss",
    "perplexity-user",
    "chatgpt-user",
    "claude-user",
    "anthropic-ai",
    "cohere-ai",
    "meta-externalagent",
    "bytespider",
    "ia_archiver",
    "yandeximages",
    "yandexrender",
    "screaming frog",
    "sitechecker",
    "linkcheck",
    "link checker",
    "xenu link",
    "uptime",
    "site24x7",
    "newrelicpinger",
    "datadogsynthetics",
    "zabbix",
    "nagios",
    "check_http",
    "admantx",
    "grapeshot",
    "proximic",
    "ias_",
    "scraper",
    "harvest",
    "bloglines",
    "http_get",
    "fetcher",
    "monitis",
    "netcraft",
    "domaintools",
    "builtwith",
    "wappalyzer",
    "hubspot",
    "siteimprove",
    "trendsmap",
    "pinterest/0",
    "snapchatads",
    "twingly",
    "appinsights",
    "catchpoint",
    "dataprovider",
    "nerdybot",
    "ltx71",
    "panscient",
    "findxbot",
    "findlink",
    "linkfinder",
    "linkdex",
    "linkcheck",
    "indexer",
    "httrack",
    "htdig",
    "yacy",
    "coccoc",
    "ichiro",
    "binlar",
    "larbin",
    "ips-agent",
    "turnitin",
    "page2rss",
    "subscribers",
    "siteexplorer",
    "semantic",
    "webmon",
    "lighthouse",
    "analyzer",
    "pageanalyz",
    "search engine",
    "google-adwords",
    "adsbot",
    "a6-",
];

/// Libraries and tools that are driven by programs and people, by how their names begin.
const LIBRARIES: &[&str] = &[
    "curl/",
    "wget/",
    "libcurl",
    "pycurl",
    "python",
    "aiohttp",
    "urllib",
    "httpx",
    "go-http-client",
    "go-resty",
    "java/",
    "java-http-client",
    "okhttp",
    "apache-httpclient",
    "apache-httpasyncclient",
    "jakarta",
    "jersey",
    "axios/",
    "node-fetch",
    "node.js",
    "node/",
    "undici",
    "node",
    "got (",
    "got/",
    "superagent",
    "request/",
    "needle/",
    "guzzlehttp",
    "php",
    "symfony",
    "ruby",
    "faraday",
    "rest-client",
    "httparty",
    "typhoeus",
    "mechanize",
    "libwww-perl",
    "lwp",
    "perl",
    "mojolicious",
    "reqwest",
    "hyper/",
    "ureq",
    "rust",
    "dart",
    "postmanruntime",
    "insomnia",
    "httpie",
    "grpc-",
    "dotnet",
    ".net",
    "restsharp",
    "powershell",
    "mozilla/5.0 (windows nt; windows nt",
    "winhttp",
    "boto",
    "aws-sdk",
    "aws-cli",
    "azure",
    "google-api",
    "gcloud",
    "k6/",
    "wrk",
    "apachebench",
    "jmeter",
    "apache-jmeter",
    "kube-probe",
    "prometheus",
    "elb-healthchecker",
    "googlehc",
    "haproxy",
    "traefik",
    "envoy",
    "deno/",
    "bun/",
    "elixir",
    "hackney",
    "erlang",
    "finagle",
    "akka",
    "pekko",
    "spring",
    "reactornetty",
    "vert.x",
    "feign",
    "unirest",
    "lua-resty",
    "r-curl",
    "julia",
    "git/",
    "docker/",
    "containerd",
    "helm/",
    "terraform",
    "ansible",
    "openapi-generator",
    "swagger",
    "locust",
    "vegeta",
    "hey/",
    "gatling",
    "artillery",
    "bombardier",
    "siege",
];

/// What an agent says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentClass {
    /// A browser that people use.
    Browser,
    /// An app on a phone.
    MobileApp,
    /// A library or tool.
    Library,
    /// A program that visits by itself.
    Crawler,
    /// A program that looks for weaknesses.
    Scanner,
}

impl AgentClass {
    /// Name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::MobileApp => "mobile_app",
            Self::Library => "library",
            Self::Crawler => "crawler",
            Self::Scanner => "scanner",
        }
    }
}

/// The class of `agent`; nothing where no word fits.
pub fn class(agent: &str) -> Option<AgentClass> {
    let agent = agent.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| agent.contains(word));
    if has(SCANNERS) {
        Some(AgentClass::Scanner)
    } else if has(CRAWLERS) || has_bot(&agent) {
        Some(AgentClass::Crawler)
    } else if LIBRARIES.iter().any(|word| agent.starts_with(word)) {
        Some(AgentClass::Library)
    } else if agent.contains("http://") || agent.contains("https://") {
        // Where to complain: people's programs have no such thing.
        Some(AgentClass::Crawler)
    } else if is_app(&agent) {
        Some(AgentClass::MobileApp)
    } else if is_browser(&agent) {
        Some(AgentClass::Browser)
    } else {
        None
    }
}

/// `bot` or `robot` at the end of a word: `Googlebot/2.1`, `bot@example`. There is a phone called Cubot.
fn has_bot(agent: &str) -> bool {
    agent.match_indices("bot").any(|(at, _)| {
        let after = agent.as_bytes().get(at + 3);
        !agent[..at].ends_with("cu") && after.is_none_or(|b| !b.is_ascii_lowercase() || *b == b's')
    })
}

fn is_app(agent: &str) -> bool {
    let has = |word: &str| agent.contains(word);
    let on_phone = has("cfnetwork/") || agent.starts_with("dalvik/") || (has("ios") && has("scale/")) || has("; wv)");
    let named =
        !agent.starts_with("mozilla/") && (has("(iphone;") || has("(ipad;") || has("android") || has(" okhttp/"));
    // iOS: a view inside an app has no `Safari/` behind the engine.
    let view = agent.starts_with("mozilla/") && (has("(iphone;") || has("(ipad;")) && !has("safari/");
    on_phone || named || view
}

fn is_browser(agent: &str) -> bool {
    let engine = ["applewebkit/", "gecko/", "trident/", "presto/", "khtml/", "goanna/"];
    (agent.starts_with("mozilla/") && engine.iter().any(|word| agent.contains(word)))
        || agent.starts_with("opera/")
        || (agent.starts_with("mozilla/4.0 (compatible; msie"))
}

/// Classes of agents, remembered.
#[derive(Debug, Default)]
pub struct Agents {
    young: FxHashMap<Box<str>, Option<AgentClass>>,
    old: FxHashMap<Box<str>, Option<AgentClass>>,
}

impl Agents {
    /// The class of `agent`.
    pub fn class(&mut self, agent: &str) -> Option<AgentClass> {
        if let Some(class) = self.young.get(agent) {
            return *class;
        }
        let (agent, class) = self
            .old
            .remove_entry(agent)
            .unwrap_or_else(|| (agent.into(), class(agent)));
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(agent, class);
        class
    }
}

/// What renders pages, and writes requests, in a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// Firefox.
    Gecko,
    /// Chrome, Edge, Opera, Samsung.
    Blink,
    /// Safari, and all on iOS.
    WebKit,
    /// Internet Explorer.
    Trident,
}

impl Engine {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Gecko, Self::Blink, Self::WebKit, Self::Trident];

    /// The engine that a browser's agent claims.
    pub fn of(agent: &str) -> Option<Self> {
        let has = |word: &str| agent.contains(word);
        if has("Trident/") || has("MSIE ") {
            Some(Self::Trident)
        } else if has("Chrome/") || has("Chromium/") {
            Some(Self::Blink)
        } else if has("AppleWebKit/") {
            Some(Self::WebKit)
        } else if has("Gecko/") && has("Firefox/") {
            Some(Self::Gecko)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(expected: Option<AgentClass>, agents: &[&str]) {
        for agent in agents {
            assert_eq!(class(agent), expected, "{agent}");
        }
    }

    #[test]
    fn browsers() {
        check(
            Some(AgentClass::Browser),
            &[
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                "Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36",
            ],
        );
    }

    #[test]
    fn apps_and_libraries() {
        check(
            Some(AgentClass::MobileApp),
            &[
                "Shop/7.1 (iPhone; iOS 17.5; Scale/3.00)",
                "Shop/812 CFNetwork/1496.0.7 Darwin/23.5.0",
                "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8)",
                "com.example.shop/3.2 (Android 14) okhttp/4.12.0",
                "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0 Mobile Safari/537.36",
            ],
        );
        check(
            Some(AgentClass::Library),
            &[
                "curl/8.7.1",
                "python-requests/2.32.3",
                "Go-http-client/1.1",
                "okhttp/4.12.0",
                "Java/17.0.1",
                "axios/1.7.2",
                "wrk",
            ],
        );
    }

    #[test]
    fn crawlers_and_scanners() {
        check(
            Some(AgentClass::Crawler),
            &[
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.1; +https://openai.com/gptbot)",
                "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
                "facebookexternalhit/1.1",
                "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
            ],
        );
        check(
            Some(AgentClass::Scanner),
            &[
                "sqlmap/1.8.4#stable (https://sqlmap.org)",
                "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)",
                "Fuzz Faster U Fool v2.1.0-dev",
                "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
                "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
                "gobuster/3.6",
            ],
        );
        check(None, &["", "x", "Mozilla/5.0", "nobody knows"]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut agents = Agents::default();
        for n in 0..GENERATION * 3 {
            assert_eq!(agents.class(&format!("curl/{n}")), Some(AgentClass::Library));
        }
        assert!(agents.young.len() + agents.old.len() <= 2 * GENERATION);
    }

    // Where the folder of a user's choice has others' lists of agents.
    #[test]
    fn agrees_with_lists_of_others() {
        let Some(folder) = std::env::var_os("MONITOR_TEST_CORPORA") else {
            return;
        };
        let folder = std::path::Path::new(&folder).join("lists");
        let text = std::fs::read_to_string(folder.join("crawler-user-agents.json")).unwrap();
        let list: serde_json::Value = serde_json::from_str(&text).unwrap();
        let instances = list
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|entry| entry["instances"].as_array().unwrap());
        let instances: Vec<&str> = instances.map(|agent| agent.as_str().unwrap()).collect();
        let found =
            |wanted: fn(Option<AgentClass>) -> bool| instances.iter().filter(|agent| wanted(class(agent))).count();
        let automatic = found(|class| !matches!(class, None | Some(AgentClass::Browser | AgentClass::MobileApp)));
        let crawlers = found(|class| class == Some(AgentClass::Crawler));
        println!("{automatic} of {} are no browser, {crawlers} crawlers", instances.len());
        assert!(automatic * 100 >= instances.len() * 85);
        let text = std::fs::read_to_string(folder.join("crs/scanners-user-agents.data")).unwrap();
        let words: Vec<&str> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let missed: Vec<_> = words
            .iter()
            .filter(|word| class(word) != Some(AgentClass::Scanner))
            .collect();
        println!("{} of {} scanners missed: {missed:?}", missed.len(), words.len());
        assert!(missed.len() * 3 <= words.len());
    }

    proptest! {
        #[test]
        fn reads_anything(agent: String) {
            let _ = class(&agent);
        }
    }
}
