//! The chain that holds the lines of an audit together: each line carries a hash over itself and over the hash of the
//! line before it. The same rules serve the table in a database, whose own functions make the same hashes, and the file.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Entry;
use crate::domain::sum::Sum;

/// SHA-256 of a line and of all before it; [`Hash::START`] stands before the first.
pub type Hash = Sum;

/// A line as it is kept: every field as it was written, so that what this release does not know is checked too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its place, 1 for the first.
    pub id: i64,
    /// When, RFC 3339 in UTC.
    pub when: String,
    /// The operating system's user.
    pub os_user: String,
    /// The machine.
    pub host: String,
    /// The operator's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Which database.
    pub database: String,
    /// What, by the verb's name.
    pub what: String,
    /// Whom.
    pub whom: String,
    /// First characters of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// In answer to which leak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_leak: Option<i64>,
    /// `done`, or why not.
    pub result: String,
    /// The database's role that wrote it; none in the file, and in lines from before roles were noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The hash of the line before; the table has lines without only where somebody went round its triggers.
    pub prev: Option<Hash>,
    /// The line's own.
    pub hash: Option<Hash>,
}

impl Line {
    /// `entry` as the line after the one of `id` and `prev`.
    #[must_use]
    pub fn after(id: i64, prev: Hash, entry: &Entry) -> Self {
        let mut line = Self {
            id: id.saturating_add(1),
            when: entry.when.clone(),
            os_user: entry.actor.os_user.clone(),
            host: entry.actor.host.clone(),
            operator: entry.actor.operator.clone(),
            database: entry.database.clone(),
            what: entry.what.name().to_owned(),
            whom: entry.whom.clone(),
            key: entry.key.clone(),
            for_leak: entry.for_leak,
            result: entry.result.clone(),
            session: entry.session.clone(),
            prev: Some(prev),
            hash: None,
        };
        line.hash = Some(line.hash_after(prev));
        line
    }

    /// The hash that the line should have after one of `prev`. Each field is its length in bytes, a colon and its text, `-`
    /// where there is none: no two different lines give the same text. A line without a session ends before it, as lines did
    /// when there was none. `tokenward.audit_hash` in the database does the same.
    #[must_use]
    pub fn hash_after(&self, prev: Hash) -> Hash {
        let id = self.id.to_string();
        let leak = self.for_leak.map(|leak| leak.to_string());
        let fields = [
            Some(&id),
            Some(&self.when),
            Some(&self.os_user),
            Some(&self.host),
            self.operator.as_ref(),
            Some(&self.database),
            Some(&self.what),
            Some(&self.whom),
            self.key.as_ref(),
            leak.as_ref(),
            Some(&self.result),
        ];
        let mut sum = Sha256::new_with_prefix(prev.to_string());
        for field in fields.into_iter().chain(self.session.as_ref().map(Some)) {
            match field {
                Some(text) => sum.update(format!("{}:{text}", text.len())),
                None => sum.update("-"),
            }
        }
        Hash::from_bytes(sum.finalize().into())
    }

    /// How a person finds it: place, time, what and whom.
    fn name(&self) -> String {
        let whom = if self.whom.is_empty() {
            String::new()
        } else {
            format!(" {}", self.whom)
        };
        format!("line {} ({} {}{whom})", self.id, self.when, self.what)
    }
}

/// Holds each line of a chain against the one before it, in their order; remembers no more than the last.
#[derive(Debug)]
pub struct Check {
    lines: u64,
    id: i64,
    last: Hash,
    sought: Option<Hash>,
    found: bool,
    problems: Vec<String>,
    /// How many more there were.
    more: u64,
}

/// So many are told; who changed more has made the audit worthless.
const TOLD: usize = 50;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Lines read.
    pub lines: u64,
    /// The hash of the last: whoever keeps it elsewhere can ask for it again.
    pub head: Hash,
    /// What is wrong, a sentence each that names the line.
    pub problems: Vec<String>,
}

impl Check {
    /// A check that also looks whether `sought`, a last hash that somebody kept, is still in the chain.
    #[must_use]
    pub fn new(sought: Option<Hash>) -> Self {
        Self {
            lines: 0,
            id: 0,
            last: Hash::START,
            sought,
            found: sought == Some(Hash::START),
            problems: Vec::new(),
            more: 0,
        }
    }

    /// Something is wrong.
    pub fn complain(&mut self, problem: String) {
        if self.problems.len() < TOLD {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// The next line.
    pub fn line(&mut self, line: &Line) {
        self.lines += 1;
        let (Some(prev), Some(hash)) = (line.prev, line.hash) else {
            return self.complain(format!(
                "{} has no place in the chain: it was put in past the rules",
                line.name()
            ));
        };
        let expected = self.id.saturating_add(1);
        if line.id <= self.id {
            self.complain(format!(
                "{} stands after line {}: it was put in, or moved",
                line.name(),
                self.id
            ));
        } else if line.id == expected.saturating_add(1) {
            self.complain(format!("line {expected} is missing"));
        } else if line.id > expected {
            self.complain(format!("lines {expected} to {} are missing", line.id - 1));
        }
        if line.hash_after(prev) != hash {
            self.complain(format!(
                "{} is not as it was written: it was changed, moved or put in",
                line.name()
            ));
        } else if prev != self.last && line.id == expected {
            self.complain(format!(
                "{} does not follow the line before it, which was changed or put in",
                line.name()
            ));
        }
        self.found |= self.sought == Some(hash);
        self.id = self.id.max(line.id);
        self.last = hash;
    }

    /// The end of the chain, as it is kept beside it.
    pub fn end(&mut self, kept: Option<(i64, Hash)>) {
        let (last, id) = (self.last, self.id);
        match kept {
            None => self.complain("the end of the chain is missing beside it".to_owned()),
            Some((kept, _)) if kept > id => {
                let first = id + 1;
                self.complain(if kept == first {
                    format!("line {kept}, the last, is missing")
                } else {
                    format!("lines {first} to {kept}, the last, are missing")
                });
            }
            Some((kept, _)) if kept < id => self.complain(format!(
                "the chain should end with line {kept}; what stands after it was put in, or the end was changed"
            )),
            Some((_, hash)) if hash != last => self.complain(format!(
                "line {id} is not the one that the chain should end with: it or the end was changed"
            )),
            Some(_) => {}
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> Checked {
        if let (Some(sought), false) = (self.sought, self.found) {
            self.complain(format!(
                "the hash {sought} is in no line: the chain was written anew since it was kept, or cut off before it"
            ));
        }
        if self.more > 0 {
            self.problems.push(format!("and {} more", self.more));
        }
        Checked {
            lines: self.lines,
            head: self.last,
            problems: self.problems,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Actor, Verb};
    use super::*;

    type Harm = fn(&mut Vec<Line>);

    fn chain(count: i64) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut prev = Hash::START;
        for id in 0..count {
            let entry = Entry {
                id: None,
                when: format!("2026-01-01T00:00:0{id}.000000Z"),
                actor: Actor {
                    os_user: "ann".into(),
                    host: "ops1".into(),
                    operator: None,
                },
                database: "dev".into(),
                what: Verb::Regenerate,
                whom: format!("user{id}"),
                key: Some("9944b091".into()),
                for_leak: None,
                result: "done".into(),
                session: (id == 3).then(|| "app".to_owned()),
            };
            let line = Line::after(id, prev, &entry);
            prev = line.hash.unwrap();
            lines.push(line);
        }
        lines
    }

    fn problems(lines: &[Line], kept: i64, hash: Hash) -> Vec<String> {
        let mut check = Check::new(None);
        for line in lines {
            check.line(line);
        }
        check.end(Some((kept, hash)));
        check.finish().problems
    }

    #[test]
    fn a_chain_is_fine_and_each_harm_done_to_it_is_named() {
        let good = chain(5);
        let end = good[4].hash.unwrap();
        assert_eq!(problems(&good, 5, end), [""; 0]);
        let harms: [(Harm, &str); 11] = [
            (|l| l[2].whom = "bob".into(), "line 3 ("),
            (|l| l[2].key = None, "line 3 ("),
            (|l| l[3].session = None, "line 4 ("),
            (|l| l[3].session = Some("eve".into()), "line 4 ("),
            (|l| l[2].session = Some("app".into()), "line 3 ("),
            (|l| drop(l.remove(2)), "line 3 is missing"),
            (|l| drop(l.remove(0)), "line 1 is missing"),
            (|l| drop(l.pop()), "line 5, the last, is missing"),
            (|l| l.swap(1, 2), "line 2 ("),
            (|l| l.insert(2, l[1].clone()), "line 2 ("),
            (|l| l.clear(), "lines 1 to 5, the last, are missing"),
        ];
        for (at, (harm, named)) in harms.into_iter().enumerate() {
            let mut lines = good.clone();
            harm(&mut lines);
            let found = problems(&lines, 5, end);
            assert!(
                found.iter().any(|problem| problem.contains(named)),
                "{at}: {found:?}"
            );
        }
    }

    #[test]
    fn a_chain_written_anew_is_told_by_a_hash_that_was_kept() {
        let good = chain(3);
        let kept = good[1].hash;
        for (lines, fine) in [(chain(3), true), (chain(1), false)] {
            let mut check = Check::new(kept);
            for line in &lines {
                check.line(line);
            }
            assert_eq!(check.finish().problems.is_empty(), fine);
        }
    }

    #[test]
    fn fields_cannot_flow_into_each_other() {
        let line = chain(1).remove(0);
        let other = Line {
            whom: "user".into(),
            key: Some("09944b09".into()),
            ..line.clone()
        };
        assert_ne!(line.hash_after(Hash::START), other.hash_after(Hash::START));
    }
}
