//! Files made for one test, and the ways to have them parsed.

use std::fs::File;
use std::io::{Cursor, Seek, Write};
use std::path::PathBuf;

use notebook_core::document::{Document, SourceKind};
use notebook_rag::parse::{
    ChildParser, FailureCode, Limits, ParseFailure, Parsed, detect_and_parse,
};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A parser whose children run this crate's own program, which may misbehave on demand.
pub(crate) fn child_parser(hook: &str) -> ChildParser {
    ChildParser::new(env!("CARGO_BIN_EXE_notebook-parse"), [hook])
}

/// An open file without a name, at its start.
pub(crate) fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// Parses in a child, as a server does.
pub(crate) async fn in_child(bytes: &[u8], name: &str) -> Result<Parsed, ParseFailure> {
    child_parser("none").parse_detected(file(bytes), name, None).await
}

/// The code with which a file is refused, be it in a child.
pub(crate) async fn refused(bytes: &[u8], name: &str) -> FailureCode {
    match in_child(bytes, name).await {
        Ok(parsed) => panic!("{name} was read as {}", parsed.kind),
        Err(failure) => {
            assert!(failure.message.ends_with('.'), "{failure:?}");
            failure.code
        }
    }
}

/// Parses in this process and checks the result.
pub(crate) fn here(bytes: &[u8], name: &str) -> Result<Document, ParseFailure> {
    let parsed = detect_and_parse(bytes, name, None, &Limits::default())?;
    parsed.document.validate().unwrap();
    Ok(parsed.document)
}

/// The folder of documents beside the repository.
///
/// # Panics
/// When it is missing: a test that needs it must not pass without it.
pub(crate) fn shared(folder: &str) -> PathBuf {
    let root = std::env::var_os("NOTEBOOK_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let folder = root.join("documents").join(folder);
    assert!(folder.is_dir(), "{} is missing: set NOTEBOOK_SHARED", folder.display());
    folder
}

pub(crate) fn shared_file(name: &str) -> Vec<u8> {
    std::fs::read(shared("good").join(name)).unwrap()
}

/// An archive of deflated parts.
pub(crate) fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in parts {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const RELATION: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// The parts that every Office file has; `main` is the name of its document part.
fn package(main: &str, content_type: &str) -> [(&'static str, Vec<u8>); 2] {
    let types = format!(
        "<Types><Override PartName=\"/{main}\" ContentType=\"application/vnd.openxmlformats-officedocument.{content_type}.main+xml\"/></Types>"
    );
    let relations = format!(
        "<Relationships><Relationship Id=\"r1\" Type=\"{RELATION}/officeDocument\" Target=\"{main}\"/></Relationships>"
    );
    [("[Content_Types].xml", types.into_bytes()), ("_rels/.rels", relations.into_bytes())]
}

/// A word processor's file with `document` as its document part, and further parts.
pub(crate) fn docx_parts<'p>(document: &'p [u8], more: &[(&'p str, &'p [u8])]) -> Vec<u8> {
    let package = package("word/document.xml", "wordprocessingml.document");
    let mut parts: Vec<(&str, &[u8])> =
        package.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    parts.push(("word/document.xml", document));
    parts.extend_from_slice(more);
    zipped(&parts)
}

/// A word processor's file with this body.
pub(crate) fn docx(body: &str) -> Vec<u8> {
    let document = format!("<w:document xmlns:w=\"w\"><w:body>{body}</w:body></w:document>");
    docx_parts(document.as_bytes(), &[])
}

/// A book of one chapter.
pub(crate) fn epub(package: &str, chapter: &str) -> Vec<u8> {
    let container =
        b"<container><rootfiles><rootfile full-path=\"b/book.opf\"/></rootfiles></container>";
    zipped(&[
        ("mimetype", b"application/epub+zip"),
        ("META-INF/container.xml", container),
        ("b/book.opf", package.as_bytes()),
        ("b/one.xhtml", chapter.as_bytes()),
    ])
}

pub(crate) const PACKAGE: &str = "<package><metadata><title>Book</title></metadata><manifest><item id=\"a\" href=\"one.xhtml\" media-type=\"application/xhtml+xml\"/></manifest><spine><itemref idref=\"a\"/></spine></package>";

/// A workbook of one sheet with this sheet data.
pub(crate) fn xlsx(rows: &str) -> Vec<u8> {
    let package = package("xl/workbook.xml", "spreadsheetml.sheet");
    let workbook = format!(
        "<workbook xmlns:r=\"{RELATION}\"><sheets><sheet name=\"Bees\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
    );
    let relations = format!(
        "<Relationships><Relationship Id=\"r1\" Type=\"{RELATION}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
    );
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    let mut parts: Vec<(&str, &[u8])> =
        package.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    parts.push(("xl/workbook.xml", workbook.as_bytes()));
    parts.push(("xl/_rels/workbook.xml.rels", relations.as_bytes()));
    parts.push(("xl/worksheets/sheet1.xml", sheet.as_bytes()));
    zipped(&parts)
}

/// A PDF of these objects, numbered from 1; the first is the catalog.
pub(crate) fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(objects) {
        table.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.extend(format!("{number} 0 obj\n").bytes());
        out.extend_from_slice(object);
        out.extend(b"\nendobj\n");
    }
    let start = out.len();
    let size = objects.len() + 1;
    out.extend(table.bytes());
    out.extend(
        format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").bytes(),
    );
    out
}

/// A stream object.
pub(crate) fn stream(dict: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("<< {dict} /Length {} >>\nstream\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend(b"\nendstream");
    out
}

/// A PDF of one page with this content; `catalog` and `page` are added to their
/// dictionaries, `more` are objects from number 6 on.
pub(crate) fn page(content: &str, catalog: &str, page: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let mut objects = vec![
        format!("<< /Type /Catalog /Pages 2 0 R {catalog} >>").into_bytes(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> {page} >> >>").into_bytes(),
        stream("", content.as_bytes()),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec(),
    ];
    objects.extend_from_slice(more);
    pdf(&objects)
}

/// A kind together with a name that fits it.
pub(crate) fn name_of(kind: SourceKind) -> String {
    format!("file.{}", if kind == SourceKind::Code { "rs" } else { kind.as_str() })
}
