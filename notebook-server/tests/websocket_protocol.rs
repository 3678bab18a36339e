//! S55: the cases of the Autobahn suite that apply, against an echo over the chat's own connections. Sections 1 to 7
//! and 10, and those of 9 up to the limit of a message; 12 and 13 are for compression, which is not offered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::WebSocketUpgrade, routing::get};
use notebook_server::stream::socket::{Incoming, MESSAGE, Socket, limited};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The bit of a frame that is the last of its message.
const LAST: u8 = 0x80;

async fn echo(mut socket: Socket) {
    loop {
        let sent = match socket.next().await {
            Incoming::Text(text) => socket.send(text).await,
            Incoming::Binary(bytes) => socket.send_bytes(bytes).await,
            Incoming::Closed => return,
        };
        if !sent {
            return;
        }
    }
}

async fn serve() -> SocketAddr {
    let upgrade = |handshake: WebSocketUpgrade| async {
        limited(handshake).on_upgrade(|socket| echo(Socket::new(socket, Duration::from_secs(30))))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(
        async move { axum::serve(listener, Router::new().route("/", get(upgrade))).await },
    );
    address
}

/// A frame as a client sends it: masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn text(payload: &str) -> Vec<u8> {
    frame(LAST | TEXT, payload.as_bytes())
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(LAST | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// What the server sent: frames by opcode and payload, until it closed.
type Got = Vec<(u8, Vec<u8>)>;

struct Peer(TcpStream);

impl Peer {
    async fn open(address: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        assert!(head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        Self(socket)
    }

    /// Sends in pieces.
    async fn send(&mut self, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(piece) {
            // The server may have closed by now, and rightly.
            if self.0.write_all(piece).await.is_err() {
                return;
            }
            if bytes.len() < 2_000 {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.0.read_u8().await.ok()?;
        assert_eq!(first & 0x70, 0, "reserved bits");
        let second = self.0.read_u8().await.ok()?;
        assert_eq!(second & 0x80, 0, "servers do not mask");
        let length = match second {
            126 => usize::from(self.0.read_u16().await.ok()?),
            127 => usize::try_from(self.0.read_u64().await.ok()?).unwrap(),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((first & 0x0f, payload))
    }

    /// All frames to the end of the connection.
    async fn rest(&mut self) -> Got {
        let all = async {
            let mut got = Vec::new();
            while let Some(frame) = self.frame().await {
                got.push(frame);
            }
            got
        };
        tokio::time::timeout(Duration::from_secs(20), all).await.expect("the server closes")
    }
}

/// Sends the frames, then a close of our own, and gives what came before the server's close, with that.
async fn run(address: SocketAddr, frames: &[Vec<u8>], piece: usize) -> (Got, Option<u16>) {
    let mut peer = Peer::open(address).await;
    let mut bytes = frames.concat();
    bytes.extend(close(1000, b""));
    let sending = bytes.clone();
    peer.send(&sending, piece).await;
    let mut got = peer.rest().await;
    let closed = match got.pop() {
        Some((CLOSE, payload)) => Some(u16::from_be_bytes([payload[0], payload[1]])),
        Some(other) => panic!("{other:?} is the last frame"),
        None => None,
    };
    (got, closed)
}

/// The server takes it, does what is expected, and answers our close.
async fn passes(address: SocketAddr, name: &str, frames: &[Vec<u8>], expected: &[(u8, &[u8])]) {
    for piece in [usize::MAX, 997, 1] {
        if piece == 1 && frames.iter().map(Vec::len).sum::<usize>() > 5_000 {
            continue;
        }
        let (got, closed) = run(address, frames, piece).await;
        let got: Vec<(u8, &[u8])> = got.iter().map(|(op, load)| (*op, load.as_slice())).collect();
        assert!(got == expected, "{name}, pieces of {piece}: {} frames", got.len());
        assert_eq!(closed, Some(1000), "{name}, pieces of {piece}");
    }
}

/// The server ends the connection, after what is expected, with one of the codes; or it cuts it.
async fn fails(
    address: SocketAddr,
    name: &str,
    frames: &[Vec<u8>],
    expected: &[(u8, &[u8])],
    codes: &[u16],
) {
    for piece in [usize::MAX, 1] {
        let (got, closed) = run(address, frames, piece).await;
        let got: Vec<(u8, &[u8])> = got.iter().map(|(op, load)| (*op, load.as_slice())).collect();
        assert!(expected.starts_with(&got), "{name}, pieces of {piece}: {got:?}");
        assert!(closed.is_none_or(|code| codes.contains(&code)), "{name}: closed with {closed:?}");
    }
}

#[tokio::test]
async fn s55_1_messages_of_every_size() {
    let address = serve().await;
    for opcode in [TEXT, BINARY] {
        for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537, MESSAGE] {
            let load = vec![b'*'; length];
            let name = format!("{opcode}: {length}");
            passes(address, &name, &[frame(LAST | opcode, &load)], &[(opcode, &load)]).await;
        }
        let over = vec![b'*'; MESSAGE + 1];
        fails(address, "over the limit", &[frame(LAST | opcode, &over)], &[], &[1009]).await;
    }
}

#[tokio::test]
async fn s55_2_pings_and_pongs() {
    let address = serve().await;
    let long = [0xfe; 125];
    for load in [&b""[..], b"Hello", &[0, 255, 254, 253], &long] {
        passes(address, "ping", &[frame(LAST | PING, load)], &[(PONG, load)]).await;
        passes(address, "pong", &[frame(LAST | PONG, load)], &[]).await;
    }
    fails(address, "long ping", &[frame(LAST | PING, &[0; 126])], &[], &[1002]).await;
    fails(address, "long pong", &[frame(LAST | PONG, &[0; 126])], &[], &[1002]).await;
    let pongs = [frame(LAST | PONG, b"a"), frame(LAST | PING, b"b")];
    passes(address, "pong, then ping", &pongs, &[(PONG, b"b")]).await;
    // One by one: of pings that wait together the last may be answered alone.
    let mut peer = Peer::open(address).await;
    for number in 0..10 {
        let load = format!("payload-{number}");
        peer.send(&frame(LAST | PING, load.as_bytes()), 1).await;
        assert_eq!(peer.frame().await, Some((PONG, load.into_bytes())));
    }
}

#[tokio::test]
async fn s55_3_4_reserved_bits_and_opcodes() {
    let address = serve().await;
    for bits in 1..8_u8 {
        for opcode in [TEXT, BINARY, PING, CLOSE] {
            let bad = frame(LAST | (bits << 4) | opcode, b"Hello");
            let name = format!("bits {bits}, opcode {opcode}");
            fails(address, &name, std::slice::from_ref(&bad), &[], &[1002]).await;
            fails(address, &name, &[text("Hello"), bad], &[(TEXT, b"Hello")], &[1002]).await;
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for load in [&b""[..], b"reserved"] {
            let frames = [text("Hello"), frame(LAST | opcode, load), frame(LAST | PING, b"")];
            let expected: &[(u8, &[u8])] = &[(TEXT, b"Hello")];
            fails(address, &format!("opcode {opcode}"), &frames, expected, &[1002]).await;
        }
    }
    // A frame that is not masked.
    let mut peer = Peer::open(address).await;
    peer.send(&[LAST | TEXT, 2, b'H', b'i'], usize::MAX).await;
    let got = peer.rest().await;
    assert!(got.iter().all(|(opcode, _)| *opcode == CLOSE), "{got:?}");
}

#[tokio::test]
async fn s55_5_fragments() {
    let address = serve().await;
    let (begin, middle, end) =
        (frame(TEXT, b"fragment1"), frame(0, b"fragment2"), frame(LAST, b"fragment3"));
    let whole: &[u8] = b"fragment1fragment2fragment3";
    passes(address, "three", &[begin.clone(), middle.clone(), end.clone()], &[(TEXT, whole)]).await;
    let ping = frame(LAST | PING, b"ping");
    let frames = [begin.clone(), ping.clone(), middle.clone(), ping.clone(), end.clone()];
    let expected: &[(u8, &[u8])] = &[(PONG, b"ping"), (PONG, b"ping"), (TEXT, whole)];
    passes(address, "pings between", &frames, expected).await;
    let empty = [frame(TEXT, b""), frame(0, b""), frame(LAST, b"")];
    passes(address, "empty", &empty, &[(TEXT, b"")]).await;
    let binary = [frame(BINARY, &[0, 255]), frame(LAST, &[254])];
    passes(address, "binary", &binary, &[(BINARY, &[0, 255, 254])]).await;
    for opcode in [PING, PONG, CLOSE] {
        let frames = [frame(opcode, b""), frame(LAST, b"")];
        fails(address, "a fragmented control frame", &frames, &[], &[1002]).await;
    }
    fails(address, "nothing to continue", std::slice::from_ref(&end), &[], &[1002]).await;
    fails(address, "nothing to continue, not last", &[middle, text("x")], &[], &[1002]).await;
    fails(address, "text in a text", &[begin.clone(), text("other")], &[], &[1002]).await;
    let late = [begin, end.clone(), end];
    fails(address, "one too many", &late, &[(TEXT, b"fragment1fragment3")], &[1002]).await;
}

#[tokio::test]
async fn s55_6_utf_8() {
    let address = serve().await;
    for valid in [
        "",
        "Hello-µ@ßöäüàá-UTF-8!!",
        "κόσμε",
        "\u{0}",
        "\u{80}",
        "\u{7ff}",
        "\u{800}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffd}",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
        "\u{fffe}\u{1fffe}",
    ] {
        passes(address, valid, &[text(valid)], &[(TEXT, valid.as_bytes())]).await;
        // Cut within characters.
        let bytes = valid.as_bytes();
        let mut pieces = vec![frame(TEXT, b"")];
        pieces.extend(bytes.iter().map(|byte| frame(0, &[*byte])));
        pieces.push(frame(LAST, b""));
        passes(address, valid, &pieces, &[(TEXT, bytes)]).await;
    }
    for invalid in [
        &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"[..],
        b"\x80",
        b"\xbf\xbf",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
        b"\xc3",
        b"\xe2\x82",
        b"\xf0\x9f\x90",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
    ] {
        fails(address, "invalid", &[frame(LAST | TEXT, invalid)], &[], &[1007, 1002]).await;
        let (half, rest) = invalid.split_at(invalid.len() / 2);
        let frames = [frame(TEXT, half), frame(LAST, rest)];
        fails(address, "invalid, in two", &frames, &[], &[1007, 1002]).await;
        passes(address, "bytes", &[frame(LAST | BINARY, invalid)], &[(BINARY, invalid)]).await;
    }
}

/// What the server answers to a close of the peer.
async fn answer(address: SocketAddr, payload: &[u8]) -> Option<Option<u16>> {
    let mut peer = Peer::open(address).await;
    peer.send(&frame(LAST | CLOSE, payload), usize::MAX).await;
    let got = peer.rest().await;
    assert!(got.len() <= 1, "{got:?}");
    got.first().map(|(opcode, load)| {
        assert_eq!(*opcode, CLOSE);
        (load.len() >= 2).then(|| u16::from_be_bytes([load[0], load[1]]))
    })
}

#[tokio::test]
async fn s55_7_closing() {
    let address = serve().await;
    passes(address, "a message, then close", &[text("Hello")], &[(TEXT, b"Hello")]).await;
    // What follows a close is not answered.
    let (got, _) = run(address, &[text("a"), close(1000, b""), text("b")], usize::MAX).await;
    assert_eq!(got, [(TEXT, b"a".to_vec())]);
    assert_eq!(answer(address, b"").await, Some(None));
    assert!(matches!(answer(address, &[3]).await, None | Some(Some(1002))));
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999_u16] {
        for reason in [&b""[..], b"Hello", &[b'*'; 123]] {
            let payload = [&code.to_be_bytes(), reason].concat();
            assert_eq!(answer(address, &payload).await, Some(Some(code)), "{code}");
        }
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999_u16] {
        let answered = answer(address, &code.to_be_bytes()).await;
        assert!(matches!(answered, None | Some(Some(1002))), "{code}: {answered:?}");
    }
    let long = [&1000_u16.to_be_bytes()[..], &[b'*'; 124]].concat();
    assert!(matches!(answer(address, &long).await, None | Some(Some(1002))));
    let invalid = [&1000_u16.to_be_bytes()[..], b"\xce\xba\xed\xa0\x80"].concat();
    assert!(matches!(answer(address, &invalid).await, None | Some(Some(1002 | 1007))));
}

#[tokio::test]
async fn s55_9_10_many_fragments_and_pieces() {
    let address = serve().await;
    for length in [64, 256, 1_024, 65_536] {
        let load = vec![b'*'; MESSAGE];
        let mut frames = vec![frame(BINARY, b"")];
        frames.extend(load.chunks(length).map(|piece| frame(0, piece)));
        frames.push(frame(LAST, b""));
        passes(address, &format!("fragments of {length}"), &frames, &[(BINARY, &load)]).await;
    }
    let load = vec![b'*'; 65_536];
    let mut frames = vec![frame(TEXT, b"")];
    frames.extend(load.chunks(1_300).map(|piece| frame(0, piece)));
    frames.push(frame(LAST, b""));
    passes(address, "65,536 in pieces of 1,300", &frames, &[(TEXT, &load)]).await;
}

/// Serves an echo for the suite itself: `cargo test --test websocket_protocol -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "waits for ever: for the Autobahn suite, run by hand"]
#[allow(clippy::print_stdout, reason = "it says where it listens")]
async fn serve_an_echo() {
    println!("ws://{}", serve().await);
    std::future::pending::<()>().await;
}
