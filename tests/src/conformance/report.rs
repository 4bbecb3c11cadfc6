//! What a comparison found: agree, differ, not applicable, and whether each difference is explained.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

/// What a comparison of one case came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Both say the same.
    Agree,
    /// They do not: what each says.
    Differ(String),
    /// There is nothing to compare, for this reason.
    NotApplicable(&'static str),
}

/// Differences that are known, with their reasons: lines of `corpus | case | reason`, `#` begins a comment. A case that
/// ends in `*` stands for all that begin so. Data, so that it can be read and argued with.
#[derive(Debug, Default)]
pub struct Explained {
    reasons: BTreeMap<(String, String), String>,
}

impl Explained {
    /// Reads the table.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut reasons = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let [corpus, case, reason] = line.splitn(3, " | ").collect::<Vec<_>>()[..] else {
                anyhow::bail!("line {}: not `corpus | case | reason`: {line}", number + 1);
            };
            let key = (corpus.to_owned(), case.to_owned());
            if reasons.insert(key, reason.to_owned()).is_some() {
                anyhow::bail!("line {}: {case} is explained twice", number + 1);
            }
        }
        Ok(Self { reasons })
    }

    /// What explains a case, and why.
    fn reason(&self, corpus: &str, case: &str) -> Option<(&str, &str)> {
        let explains = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => case.starts_with(beginning),
            None => case == pattern,
        };
        let mut of_corpus = self.reasons.iter().filter(|((name, _), _)| name == corpus);
        let ((_, pattern), reason) = of_corpus.find(|((_, pattern), _)| explains(pattern))?;
        Some((pattern, reason))
    }
}

/// One corpus.
#[derive(Debug)]
pub struct Corpus {
    name: &'static str,
    /// Share of the decided cases that must agree.
    goal: Option<f64>,
    cases: Vec<(String, Verdict)>,
}

impl Corpus {
    /// One without cases; `goal` is the share of the compared cases that must agree, explained or not.
    pub fn new(name: &'static str, goal: Option<f64>) -> Self {
        Self {
            name,
            goal,
            cases: Vec::new(),
        }
    }

    /// Adds a case.
    pub fn add(&mut self, case: impl Into<String>, verdict: Verdict) {
        self.cases.push((case.into(), verdict));
    }

    fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.cases.iter().filter(|(_, verdict)| is(verdict)).count()
    }

    fn agree(&self) -> usize {
        self.count(|verdict| *verdict == Verdict::Agree)
    }

    fn differences(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cases.iter().filter_map(|(case, verdict)| match verdict {
            Verdict::Differ(what) => Some((case.as_str(), what.as_str())),
            Verdict::Agree | Verdict::NotApplicable(_) => None,
        })
    }
}

/// All of them.
#[derive(Debug)]
pub struct Report {
    corpora: Vec<Corpus>,
    explained: Explained,
}

impl Report {
    /// From the corpora that were compared.
    pub fn new(corpora: Vec<Corpus>, explained: Explained) -> Self {
        Self { corpora, explained }
    }

    /// What keeps the comparison from being passed: differences without explanation, explanations without difference,
    /// goals that are missed. Empty is good.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut used = BTreeSet::new();
        for corpus in &self.corpora {
            for (case, what) in corpus.differences() {
                match self.explained.reason(corpus.name, case) {
                    Some((pattern, _)) => {
                        used.insert((corpus.name, pattern));
                    }
                    None => failures.push(format!("{} | {case}: not explained: {what}", corpus.name)),
                }
            }
            let (agree, differ) = (corpus.agree(), corpus.differences().count());
            if let Some(goal) = corpus.goal
                && (agree as f64) < goal * ((agree + differ) as f64)
            {
                failures.push(format!(
                    "{}: {agree} of {} agree, and the goal is {:.1} %",
                    corpus.name,
                    agree + differ,
                    goal * 100.0
                ));
            }
        }
        let here = |name: &str| self.corpora.iter().any(|corpus| corpus.name == name);
        for (corpus, case) in self.explained.reasons.keys() {
            if here(corpus) && !used.contains(&(corpus.as_str(), case.as_str())) {
                failures.push(format!("{corpus} | {case}: explained, and there is no difference"));
            }
        }
        failures
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| corpus | agree | differ | not applicable |")?;
        writeln!(f, "| --- | ---: | ---: | ---: |")?;
        for corpus in &self.corpora {
            let (agree, differ) = (corpus.agree(), corpus.differences().count());
            let rest = corpus.cases.len() - agree - differ;
            writeln!(f, "| {} | {agree} | {differ} | {rest} |", corpus.name)?;
        }
        for corpus in &self.corpora {
            if corpus.differences().next().is_some() {
                writeln!(f, "\n{}:", corpus.name)?;
            }
            for (case, what) in corpus.differences() {
                let reason = self.explained.reason(corpus.name, case);
                writeln!(
                    f,
                    "- {case}: {what}\n  {}",
                    reason.map_or("NOT EXPLAINED", |(_, why)| why)
                )?;
            }
            let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
            for (_, verdict) in &corpus.cases {
                if let Verdict::NotApplicable(why) = verdict {
                    *reasons.entry(why).or_default() += 1;
                }
            }
            if !reasons.is_empty() {
                let mut line = format!("\n{}, not applicable:", corpus.name);
                for (why, count) in reasons {
                    let _ = write!(line, " {count} {why};");
                }
                writeln!(f, "{}", line.trim_end_matches(';'))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_explained_fails_and_what_explains_nothing_too() {
        let mut corpus = Corpus::new("some", Some(0.5));
        corpus.add("a", Verdict::Agree);
        corpus.add("b", Verdict::Differ("1, not 2".to_owned()));
        corpus.add("c", Verdict::NotApplicable("of another kind"));
        let report = |table: &str, corpus| Report::new(vec![corpus], Explained::parse(table).unwrap());
        let fails = report("", corpus);
        assert_eq!(fails.failures(), ["some | b: not explained: 1, not 2"]);
        assert!(fails.to_string().contains("| some | 1 | 1 | 1 |"));
        let corpus = fails.corpora.into_iter().next().unwrap();
        let passes = report(
            "# why\nsome | b* | two is one here\nother | x | of a corpus that is not here\n",
            corpus,
        );
        assert_eq!(passes.failures(), Vec::<String>::new());
        let mut corpus = passes.corpora.into_iter().next().unwrap();
        corpus.goal = Some(0.9);
        let stale = report("some | b | because\nsome | a | because\n", corpus);
        assert_eq!(
            stale.failures(),
            [
                "some: 1 of 2 agree, and the goal is 90.0 %",
                "some | a: explained, and there is no difference"
            ]
        );
        assert!(Explained::parse("no table").is_err());
    }
}
