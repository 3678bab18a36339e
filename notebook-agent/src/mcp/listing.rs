//! A page of a list of tools: what of it can be read, and what not. Pure.

use rmcp::model::{CustomResult, ListToolsResult, ServerResult, Tool};
use serde_json::Value;

/// The most characters of what is told of a tool that cannot be read.
const TOLD: usize = 200;

/// A tool as its server lists it, or what cannot be read of it.
pub type Listed = Result<Tool, Unreadable>;

/// A definition that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What the server calls it, where it says so.
    pub name: String,
    /// Why it is none.
    pub why: String,
}

/// Some of a server's tools.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    pub(super) tools: Vec<Listed>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<String>,
}

impl Page {
    /// What a server answered to `tools/list`; `None` where that is no list of anything.
    pub(super) fn of(result: ServerResult) -> Option<Self> {
        match result {
            ServerResult::ListToolsResult(ListToolsResult { tools, next_cursor, .. }) => {
                Some(Self { tools: tools.into_iter().map(Ok).collect(), next: next_cursor })
            }
            // What is a list, but for some of its definitions.
            ServerResult::CustomResult(CustomResult(Value::Object(mut result))) => {
                let Some(Value::Array(tools)) = result.remove("tools") else { return None };
                let next = match result.remove("nextCursor") {
                    Some(Value::String(next)) => Some(next),
                    _ => None,
                };
                Some(Self { tools: tools.into_iter().map(listed).collect(), next })
            }
            _ => None,
        }
    }
}

/// One definition.
pub(super) fn listed(definition: Value) -> Listed {
    let name = definition.get("name").and_then(Value::as_str).unwrap_or("(without a name)");
    let name = name.to_owned();
    serde_json::from_value(definition).map_err(|error| {
        let why: String = error.to_string().chars().take(TOLD).collect();
        Unreadable { name, why: format!("its definition cannot be read: {why}") }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(result: Value) -> Option<Page> {
        Page::of(serde_json::from_value(result).unwrap())
    }

    fn good(name: &str) -> Value {
        json!({ "name": name, "inputSchema": { "type": "object" } })
    }

    /// Whatever is wrong with one of them: the others are there, in their order, and it is said which and why.
    #[test]
    fn d4_a_definition_that_cannot_be_read_costs_itself_alone() {
        let wrong = [
            (json!({ "name": "bad", "inputSchema": "none" }), "bad", "map"),
            (json!({ "name": "bad" }), "bad", "inputSchema"),
            (json!({ "name": 7, "inputSchema": {} }), "(without a name)", "integer"),
            (json!({ "inputSchema": {} }), "(without a name)", "name"),
            (json!({ "name": "bad", "inputSchema": {}, "annotations": "x" }), "bad", "string"),
            (json!("bad"), "(without a name)", "string"),
            (json!(null), "(without a name)", "null"),
        ];
        for (definition, name, why) in wrong {
            for complete in [json!({}), json!({ "resultType": "complete", "ttlMs": 5 })] {
                let mut result = complete;
                result["tools"] = json!([good("a"), definition, good("z")]);
                result["nextCursor"] = json!("more");
                let page = page(result).unwrap();
                assert_eq!(page.next.as_deref(), Some("more"));
                let [Ok(a), Err(told), Ok(z)] = page.tools.as_slice() else { panic!("{page:?}") };
                assert_eq!((&*a.name, &*z.name, &*told.name), ("a", "z", name));
                assert!(told.why.contains(why), "{definition}: {told:?}");
            }
        }
    }

    #[test]
    fn d4_what_is_no_list_is_none() {
        for result in [json!({}), json!({ "tools": "x" }), json!({ "tool": [] }), json!([])] {
            assert_eq!(page(result.clone()), None, "{result}");
        }
        let page = page(json!({ "tools": [good("a")] })).unwrap();
        assert_eq!((page.tools.len(), page.next), (1, None));
    }

    #[test]
    fn d4_what_is_told_of_a_definition_is_short() {
        let told =
            listed(json!({ "name": "bad", "inputSchema": "x".repeat(100_000) })).unwrap_err();
        assert!(told.why.chars().count() < 300, "{}", told.why.len());
    }
}
