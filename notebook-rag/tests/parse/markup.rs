//! U11 to U15: XML and HTML that is built to exhaust its reader, or to fetch something.

use std::net::TcpListener;

use notebook_rag::parse::{FailureCode, Opened};

use crate::support::{
    PACKAGE, child_parser, docx, docx_parts, epub, file, here, in_child, refused,
};

const BODY: &str =
    "<w:document><w:body><w:p><w:r><w:t>TEXT</w:t></w:r></w:p></w:body></w:document>";

fn with_doctype(doctype: &str, text: &str) -> Vec<u8> {
    let xml = format!("<?xml version=\"1.0\"?>{doctype}{}", BODY.replace("TEXT", text));
    docx_parts(xml.as_bytes(), &[])
}

/// U11, U12: entities that grow with each level, and one long one used often.
#[tokio::test]
async fn u11_u12_entities_are_not_expanded() {
    let mut laughs = "<!DOCTYPE l [<!ENTITY e0 \"lol\">".to_owned();
    for n in 1..10 {
        laughs += &format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10));
    }
    let bytes = with_doctype(&(laughs + "]>"), "&e9;");
    assert_eq!(refused(&bytes, "lol.docx").await, FailureCode::TooComplex);
    let quadratic = format!("<!DOCTYPE l [<!ENTITY a \"{}\">]>", "a".repeat(100_000));
    let bytes = with_doctype(&quadratic, &"&a;".repeat(50_000));
    assert_eq!(refused(&bytes, "square.docx").await, FailureCode::TooComplex);
}

/// U13: nothing is fetched, whatever a file asks for.
#[tokio::test]
async fn u13_nothing_is_fetched() {
    let canary = TcpListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let url = format!("http://{}/x", canary.local_addr().unwrap());
    let entity = format!("<!DOCTYPE l [<!ENTITY x SYSTEM \"{url}\">]>");
    assert_eq!(refused(&with_doctype(&entity, "&x;"), "a.docx").await, FailureCode::TooComplex);
    let parameter = format!("<!DOCTYPE l [<!ENTITY % p SYSTEM \"{url}\"> %p;]>");
    assert_eq!(refused(&with_doctype(&parameter, "a"), "a.docx").await, FailureCode::TooComplex);
    let outside = format!("<!DOCTYPE l SYSTEM \"{url}\">");
    let parsed = in_child(&with_doctype(&outside, "Text"), "a.docx").await.unwrap();
    assert_eq!(parsed.document.text, "Text");
    let include = format!("<xi:include href=\"{url}\"/>Text");
    let parsed = in_child(&with_doctype("", &include), "a.docx").await.unwrap();
    assert_eq!(parsed.document.text, "Text");
    let package = format!("{entity}{}", PACKAGE.replace("Book", "&x;"));
    assert_eq!(refused(&epub(&package, "<p>a"), "a.epub").await, FailureCode::TooComplex);
    let page = format!(
        "<base href=\"{url}\"><link rel=stylesheet href=\"{url}\"><img src=\"{url}\"><script src=\"{url}\"></script><iframe src=\"{url}\"></iframe><svg><use href=\"{url}\"/><text>no</text></svg><p>Text"
    );
    let parsed = in_child(page.as_bytes(), "a.html").await.unwrap();
    assert_eq!(parsed.document.text, "Text");
    let hidden = in_child(format!("![x]({url}) [y]: {url}\n\nText").as_bytes(), "a.md").await;
    assert!(hidden.unwrap().document.text.ends_with("Text"));
    assert_eq!(canary.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// U14, U15: attributes and namespaces without end, in Office files and books.
#[tokio::test]
async fn u14_u15_attributes_and_namespaces() {
    for attribute in ["a", "xmlns:n"] {
        let many: String = (0..100_000).map(|n| format!(" {attribute}{n}=\"u\"")).collect();
        let bytes = docx(&format!("<w:p{many}/>"));
        assert_eq!(refused(&bytes, "a.docx").await, FailureCode::TooComplex);
        let package = PACKAGE.replace("<package>", &format!("<package{many}>"));
        assert_eq!(refused(&epub(&package, "<p>a"), "a.epub").await, FailureCode::TooComplex);
    }
}

/// Nesting ends an Office file, and costs a page nothing.
#[tokio::test]
async fn nesting_is_bounded() {
    let deep = "<w:sdt>".repeat(100_000);
    assert_eq!(refused(&docx(&deep), "a.docx").await, FailureCode::TooComplex);
    let page = format!("{}Text", "<div>".repeat(100_000));
    assert_eq!(in_child(page.as_bytes(), "a.html").await.unwrap().document.text, "Text");
}

/// U29: a drawing's scripts and loops are words at most.
#[test]
fn u29_drawings_are_shown_as_their_source() {
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script><foreignObject><p>x</p></foreignObject><g id=\"a\"><use href=\"#a\"/></g></svg>";
    let document = here(svg, "a.svg").unwrap();
    assert!(document.text.starts_with("<svg "), "{}", document.text);
    let inline = [b"<!DOCTYPE html><p>Text</p>", &svg[..]].concat();
    assert_eq!(here(&inline, "a.html").unwrap().text, "Text");
}

/// U27: a page of 50 MB is read, or refused in time; nothing breaks down.
#[tokio::test]
async fn u27_a_page_of_the_web_without_end() {
    let page =
        format!("<title>Long</title>{}", "<div class=a><p>word &amp; word".repeat(1_700_000));
    assert!(page.len() > 50_000_000);
    let parser = child_parser("none");
    let opened =
        parser.open_page(file(page.as_bytes()), "", Some("text/html; charset=utf-8")).await;
    match opened {
        Ok(Opened::Parsed(parsed)) => assert!(parsed.document.text.starts_with("word & word")),
        Ok(Opened::Recording(_)) => panic!("a recording"),
        Err(failure) => assert!(
            matches!(
                failure.code,
                FailureCode::TimeLimit | FailureCode::TooLarge | FailureCode::MemoryLimit
            ),
            "{failure:?}"
        ),
    }
}
