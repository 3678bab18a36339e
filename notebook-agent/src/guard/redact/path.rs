//! Paths of home folders, and of the server's own.

use std::ops::Range;

/// Where home folders begin.
const HOMES: [&str; 5] = ["/home/", "/Users/", "/root/", "file:///", ":\\Users\\"];

/// The paths in a word.
pub(super) fn find(word: &str, before: Option<char>, folders: &[String]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    // Every beginning has one of them, and hardly a word of a passage.
    if !word.bytes().any(|byte| matches!(byte, b'/' | b'\\')) {
        return found;
    }
    let starts = HOMES.iter().copied().chain(folders.iter().map(String::as_str));
    for start in starts {
        for (at, _) in word.match_indices(start) {
            let drive = start.starts_with(':');
            let at = if drive { at.saturating_sub(1) } else { at };
            let previous = word.get(..at).and_then(|text| text.chars().next_back()).or(before);
            // Within an address or another path it is no path of this machine.
            if previous
                .is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '~' | '/'))
            {
                continue;
            }
            let end = end(word, at);
            // A folder's name goes on: `/data2` is not in `/data`.
            let after = word.get(at + start.len()..).and_then(|text| text.chars().next());
            let folder = !start.ends_with(['/', '\\']);
            if folder && after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_')) {
                continue;
            }
            if folder || end > at + start.len() {
                found.push(at..end);
            }
        }
    }
    found
}

fn end(word: &str, at: usize) -> usize {
    let rest = word.get(at..).unwrap_or_default();
    let stop = |c: char| {
        matches!(
            c,
            '"' | '\'' | '`' | '<' | '>' | '|' | ',' | ';' | ')' | ']' | '}' | '*' | '”' | '’'
        )
    };
    let length = rest.find(stop).unwrap_or(rest.len());
    let path = rest.get(..length).unwrap_or_default().trim_end_matches(['.', ':', '!', '?']);
    at + path.len()
}

/// All paths of a text.
pub(super) fn all(text: &str, folders: &[String]) -> Vec<String> {
    let paths = |word| {
        find(word, None, folders).into_iter().filter_map(|range| word.get(range)).map(str::to_owned)
    };
    text.split_whitespace().flat_map(|word| paths(word).collect::<Vec<_>>()).collect()
}
