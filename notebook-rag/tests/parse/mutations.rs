//! U25, U54: files cut off and files changed at random.

use notebook_core::document::SourceKind;
use notebook_rag::parse::{FailureCode, ParseFailure, Parsed};

use crate::support::{PACKAGE, docx, epub, in_child, page, shared_file, xlsx};

/// What may become of a damaged file. The parent is alive, or the test would not go on.
fn check(what: &str, result: Result<Parsed, ParseFailure>) {
    match result {
        Ok(parsed) => parsed.document.validate().unwrap(),
        Err(failure) => assert!(
            !matches!(
                failure.code,
                FailureCode::Internal
                    | FailureCode::Forbidden
                    | FailureCode::TimeLimit
                    | FailureCode::Crashed
            ),
            "{what}: {failure:?}"
        ),
    }
}

/// U25: cut off at every KiB.
#[tokio::test]
async fn u25_truncated_files() {
    for name in [
        "pdf-korean-text-with-tables.pdf",
        "simple.docx",
        "sample-presentation.pptx",
        "stanley-cups.xlsx",
        "language-docs-eng_spa_mult.epub",
        "example-steelJIS-datasheet-utf-16.html",
    ] {
        let bytes = shared_file(name);
        for length in (1024..bytes.len()).step_by(1024) {
            let result = in_child(&bytes[..length], name).await;
            check(&format!("{name} cut at {length}"), result);
        }
    }
}

/// xorshift64*: the same changes in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}

/// Changes, repeats, removes and inserts a few bytes.
fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    const TOKENS: [&str; 12] =
        ["<", ">", "\"", "/", "&#x0;", "-1", "99999999999", "[", "<<", " 0 R", "\0", "\u{fffd}"];
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(out.len());
        let end = (at + 1 + random.below(40)).min(out.len());
        match random.below(4) {
            0 => out[at] ^= 1 << random.below(8),
            1 => drop(out.drain(at..end)),
            2 => drop(out.splice(at..at, out[at..end].to_vec())),
            _ => drop(out.splice(at..at, TOKENS[random.below(TOKENS.len())].bytes())),
        }
        if out.is_empty() {
            return bytes.to_vec();
        }
    }
    out
}

/// What is inside an archive is changed before it is packed, or hardly any change would
/// pass the checksum.
fn mutant(kind: SourceKind, random: &mut Random) -> Vec<u8> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match kind {
        SourceKind::Docx => {
            let body = b"<w:p><w:pPr><w:pStyle w:val=\"Heading1\"/></w:pPr><w:r><w:t>Bees</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc></w:tr></w:tbl>";
            docx(&text(mutate(body, random)))
        }
        SourceKind::Xlsx => {
            let rows = b"<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>x</t></is></c><c r=\"C1\"><v>1.5</v></c></row><row r=\"7\"><c r=\"B7\" t=\"s\"><v>0</v></c></row>";
            xlsx(&text(mutate(rows, random)))
        }
        SourceKind::Epub => epub(
            &text(mutate(PACKAGE.as_bytes(), random)),
            &text(mutate(b"<html><h1>One</h1><p>Text <a/>more</p></html>", random)),
        ),
        SourceKind::Pdf => mutate(
            &page("BT /F 12 Tf 72 700 Td [(Hel) -20 (lo)] TJ 0 -14 Td (bees) Tj ET q 1 0 0 1 0 0 cm Q", "", "", &[]),
            random,
        ),
        SourceKind::Html => mutate(
            b"<title>T</title><h1>One</h1><table><tr><td>a<td>b</table><ul><li>x<li>y</ul><pre>z</pre><p hidden>h",
            random,
        ),
        _ => mutate(b"# One\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n* x\n  * y\n\n```\ncode\n```\n<b>z</b>", random),
    }
}

async fn mutants(each: u64) {
    for kind in [
        SourceKind::Pdf,
        SourceKind::Docx,
        SourceKind::Xlsx,
        SourceKind::Epub,
        SourceKind::Html,
        SourceKind::Markdown,
    ] {
        for seed in 1..=each {
            let bytes = mutant(kind, &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let name = crate::support::name_of(kind);
            check(&format!("{kind}, seed {seed}"), in_child(&bytes, &name).await);
        }
    }
}

/// U54: changed at random; a few of the many.
#[tokio::test]
async fn u54_a_few_mutants() {
    mutants(60).await;
}

/// U54: changed at random; the many, which takes about an hour.
#[tokio::test]
#[ignore = "100,000 child processes for each format"]
async fn u54_all_mutants() {
    mutants(100_000).await;
}
