//! What tools of other programs are called here: pure.

use sha2::{Digest as _, Sha256};

/// What stands between a server's name and its tool's. No name of a server, and none of a built-in tool, has it.
pub const BETWEEN: &str = "__";
/// The longest name that all providers of models take.
const LONGEST: usize = 64;
/// The longest name of a server.
const LONGEST_SERVER: usize = 24;
/// The longest name that the protocol gives a tool.
const LONGEST_TOOL: usize = 128;
/// Figures of what stands for a name that cannot stand as it is.
const FIGURES: usize = 10;

/// Whether a server may be called that: small letters, digits and `-`, beginning with a letter; up to 24.
#[must_use]
pub fn is_server(name: &str) -> bool {
    name.len() <= LONGEST_SERVER
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// What a server's tool is called here; `None` where its own name is none that the protocol allows.
///
/// Names that models' providers take as they are stay as they are. Others keep what can be read of them, and end with figures made of
/// the whole name, so that no two are alike.
#[must_use]
pub fn exposed(server: &str, tool: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let known = |c: char| plain(c) || matches!(c, '.' | '/');
    if tool.is_empty() || tool.len() > LONGEST_TOOL || !tool.chars().all(known) {
        return None;
    }
    let whole = format!("{server}{BETWEEN}{tool}");
    if whole.len() <= LONGEST && tool.chars().all(plain) {
        return Some(whole);
    }
    let mut figures = notebook_core::hex(Sha256::digest(tool));
    figures.truncate(FIGURES);
    let mut name: String = whole.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    name.truncate(LONGEST - FIGURES - 1);
    Some(format!("{name}_{figures}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn d4_names_of_servers_are_short_and_plain() {
        for good in ["everything", "a", "files-2"] {
            assert!(is_server(good), "{good}");
        }
        for bad in ["", "2a", "-a", "a_b", "A", "a__b", "ä", "a b", "a234567890123456789012345"] {
            assert!(!is_server(bad), "{bad}");
        }
    }

    #[test]
    fn d4_names_that_are_none_are_refused() {
        assert_eq!(exposed("files", "read_file").as_deref(), Some("files__read_file"));
        let dotted = exposed("files", "admin.read").unwrap();
        assert!(dotted.starts_with("files__admin_read_"), "{dotted}");
        assert_ne!(exposed("files", "admin/read"), Some(dotted));
        let long = "x".repeat(500);
        for bad in ["", "a b", "a\n", "a\u{1b}[2J", "a\u{202e}b", "ä", &long] {
            assert_eq!(exposed("files", bad), None, "{bad:?}");
        }
    }

    proptest! {
        /// Whatever tools are called: a name that every provider takes, no two alike, and none of a built-in tool.
        #[test]
        fn d4_no_two_tools_are_called_the_same(
            tools in prop::collection::btree_set(("[a-c][a-c-]{0,2}", "[ab_./-]{1,6}|[a-z]{60,64}"), 0..60)
        ) {
            let mut seen = BTreeMap::new();
            for (server, tool) in tools {
                let name = exposed(&server, &tool).unwrap();
                prop_assert!(name.len() <= 64 && name.contains(BETWEEN));
                prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
                let before = seen.insert(name.clone(), (server.clone(), tool.clone()));
                prop_assert!(before.is_none(), "{} is {:?} and {:?}", name, before, (server, tool));
            }
        }
    }
}
