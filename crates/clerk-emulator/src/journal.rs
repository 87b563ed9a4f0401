//! The journal: a file of JSON lines, one for each change of one record, written before the answer leaves.
//! A change costs the same however many users there are. What reached the operating system survives `kill -9`;
//! a torn last line is dropped at the next start, when the file is also rewritten without what was superseded.
//!
//! Not one snapshot, written whole and renamed: with 10,000 users that would be 6 MB for each request before its
//! answer, and an embedded store would be a larger dependency than these hundred lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

const FILE: &str = "journal.jsonl";

/// One change: the record's new content, or `null` when it is gone.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) value: Value,
}

/// Why a journal could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// The file could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line before the last one is no JSON: more than a torn write.
    #[error("line {0} is damaged")]
    Damaged(usize),
}

/// The open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
}

impl Journal {
    /// Opens the journal of a directory and returns what it holds, oldest first.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Vec<Line>), JournalError> {
        let path = directory.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let (lines, whole) = parse(&bytes)?;
        let file = append_to(&path)?;
        let length = whole as u64;
        file.set_len(length)?;
        Ok((Self { path, file, length }, lines))
    }

    /// Appends one change. What a failed write left behind is cut off, so that later lines stay readable.
    pub(crate) fn append(&mut self, line: &Line) -> io::Result<()> {
        let bytes = encoded(line)?;
        if let Err(error) = self.file.write_all(&bytes) {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Replaces the whole journal by these lines, in one step.
    pub(crate) fn compact(&mut self, lines: impl Iterator<Item = Line>) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut output = BufWriter::new(private_file(&beside)?);
        for line in lines {
            output.write_all(&encoded(&line)?)?;
        }
        output.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&beside, &self.path)?;
        self.file = append_to(&self.path)?;
        self.length = self.file.metadata()?.len();
        Ok(())
    }
}

/// The lines, and how many bytes of the file they fill.
fn parse(bytes: &[u8]) -> Result<(Vec<Line>, usize), JournalError> {
    let (mut lines, mut whole) = (Vec::new(), 0);
    while let Some(length) = bytes[whole..].iter().position(|byte| *byte == b'\n') {
        let end = whole + length + 1;
        match serde_json::from_slice(&bytes[whole..end]) {
            Ok(line) => lines.push(line),
            Err(_) if end == bytes.len() => break,
            Err(_) => return Err(JournalError::Damaged(lines.len() + 1)),
        }
        whole = end;
    }
    Ok((lines, whole))
}

fn encoded(line: &Line) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Creates (or empties) a file that only its owner can read.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(id: &str, value: Value) -> Line {
        Line { kind: "user".to_owned(), id: id.to_owned(), value }
    }

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    #[test]
    fn lines_come_back_in_order() {
        let directory = directory();
        let (mut journal, lines) = Journal::open(directory.path()).expect("opens");
        assert!(lines.is_empty());
        journal.append(&line("a", json!({"n": 1}))).expect("appends");
        journal.append(&line("a", Value::Null)).expect("appends");
        drop(journal);
        let (_, lines) = Journal::open(directory.path()).expect("opens");
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].value, json!({"n": 1}));
        assert_eq!(lines[1].value, Value::Null);
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_writing_goes_on_after_it() {
        let directory = directory();
        let (mut journal, _) = Journal::open(directory.path()).expect("opens");
        journal.append(&line("a", json!(1))).expect("appends");
        drop(journal);
        let path = directory.path().join(FILE);
        let mut bytes = fs::read(&path).expect("reads");
        bytes.extend_from_slice(br#"{"kind":"user","id":"b","val"#);
        fs::write(&path, bytes).expect("writes");
        let (mut journal, lines) = Journal::open(directory.path()).expect("opens");
        assert_eq!(lines.len(), 1);
        journal.append(&line("c", json!(3))).expect("appends");
        drop(journal);
        let (_, lines) = Journal::open(directory.path()).expect("opens");
        assert_eq!(lines.iter().map(|line| line.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn damage_in_the_middle_is_an_error() {
        let directory = directory();
        fs::write(directory.path().join(FILE), "nonsense\n{\"kind\":\"user\",\"id\":\"a\",\"value\":1}\n")
            .expect("writes");
        assert!(matches!(Journal::open(directory.path()), Err(JournalError::Damaged(1))));
    }

    #[test]
    fn compaction_keeps_only_what_it_is_given() {
        let directory = directory();
        let (mut journal, _) = Journal::open(directory.path()).expect("opens");
        for n in 0..10 {
            journal.append(&line("a", json!(n))).expect("appends");
        }
        journal.compact(std::iter::once(line("a", json!(9)))).expect("compacts");
        journal.append(&line("b", json!(1))).expect("appends");
        drop(journal);
        let (_, lines) = Journal::open(directory.path()).expect("opens");
        assert_eq!(lines.len(), 2);
    }
}
