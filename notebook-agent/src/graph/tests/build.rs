use notebook_core::ErrorKind;

use super::*;

type Builder = GraphBuilder<u32>;

fn nothing(builder: Builder, name: &str) -> Builder {
    builder.compute(name, |_, _| Ok(()))
}

fn some(names: &[&str]) -> Builder {
    names.iter().fold(Graph::builder("g", 1), |builder, name| nothing(builder, name))
}

/// D1: what cannot run is refused when it is made, and the node is named.
#[test]
fn d1_a_graph_that_cannot_run_names_its_node() {
    let cases: Vec<(&str, &str, Builder)> = vec![
        ("g", "no nodes", Graph::builder("g", 1)),
        ("the graph", "name it", nothing(Graph::builder("a/b", 1), "a").edge("a", END)),
        ("a/b", "name it", some(&["a/b"]).edge("a/b", END)),
        ("end", "name it", nothing(some(&["a"]).edge("a", END), END).edge(END, "a")),
        ("", "name it", some(&[""]).edge("", END)),
        ("a", "no edge leaves it", some(&["a"])),
        ("a", "two edges leave it", some(&["a"]).edge("a", END).edge("a", END)),
        ("a", "two nodes", some(&["a", "a"]).edge("a", END)),
        ("b", "no such node", some(&["a"]).edge("a", END).edge("b", "a")),
        ("a", "leads to `b`", some(&["a"]).edge("a", "b")),
        ("a", "chooses among nothing", some(&["a"]).choose("a", |_| END, &[])),
        ("b", "no way leads to it", some(&["a", "b"]).edge("a", END).edge("b", END)),
        ("b", "no way leads from it", {
            some(&["a", "b"]).choose("a", |_| END, &["b", END]).edge("b", "b")
        }),
        ("c", "to be the start", some(&["a"]).edge("a", END).start("c")),
    ];
    for (node, says, builder) in cases {
        let error = builder.build().expect_err(says);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        // A node that is used twice has lost its edge to the first.
        let fix = error.context("fix").unwrap();
        assert_eq!(error.context("field"), Some(node), "{error}");
        assert!(fix.contains(says) || node == "a" && says == "two nodes", "{error}");
    }
}

/// D1: nested graphs keep their edges under the node's name.
#[test]
fn d1_nested_graphs_lie_within_their_node() {
    let inner = || some(&["x", "y"]).edge("x", "y").edge("y", END).build().unwrap();
    let middle = nothing(Graph::builder("m", 1).nested("in", inner()), "z")
        .edge("in", "z")
        .edge("z", END)
        .build()
        .unwrap();
    let outer = Graph::builder("o", 1)
        .nested("one", middle)
        .split("two", |_, _| Ok(vec![]), inner(), |_, _, _| Ok(()))
        .edge("one", "two")
        .edge("two", END)
        .build()
        .unwrap();
    let nodes = ["one", "one/in", "one/in/x", "one/in/y", "one/z", "two", "two/x", "two/y"];
    assert_eq!(outer.nodes(), nodes);
}
