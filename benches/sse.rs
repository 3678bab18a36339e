//! Reading event streams: the parser and the stream over it, against sse-stream and eventsource-stream.
//!
//! `cargo bench --bench sse`. The input is what a provider sends while it answers, in chunks of equal
//! length; each contestant reads it all, in turn, for some rounds. Then one event of 1 to 8 MiB in chunks
//! of 1 KiB: with time linear in its length, the rate stays what it was.

use std::{
    convert::Infallible,
    error::Error,
    fmt::Write as _,
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use eventsource_stream::Eventsource as _;
use futures::{StreamExt as _, executor::block_on, stream};
use notebook_core::sse::{EventStream, Parser};
use sse_stream::SseStream;

const ROUNDS: usize = 9;
const STREAM_BYTES: usize = 4 << 20;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Reads the chunks, and returns how many events there were and the length of their data.
type Read = fn(&[Bytes]) -> Outcome<(usize, usize)>;

const CONTESTANTS: [(&str, Read); 4] = [
    ("parser, events borrowed", parser),
    ("stream, events owned", own_stream),
    ("sse-stream", peer_sse_stream),
    ("eventsource-stream", peer_eventsource_stream),
];

fn main() -> Outcome<()> {
    let stream = answer();
    println!("answer of {} bytes", stream.len());
    for length in [64, 256, 1024, 4096, 16 * 1024] {
        println!("chunks of {length} bytes");
        compare(&stream, length, &CONTESTANTS)?;
    }
    for megabytes in [1, 4, 8] {
        println!("one event of {megabytes} MiB in chunks of 1 KiB");
        // The last peer takes time with the square of the length: once is enough to see it.
        let contestants = if megabytes == 1 { &CONTESTANTS[..] } else { &CONTESTANTS[..3] };
        compare(&one_event(megabytes << 20), 1024, contestants)?;
    }
    Ok(())
}

fn compare(stream: &[u8], length: usize, contestants: &[(&str, Read)]) -> Outcome<()> {
    let chunks: Vec<Bytes> = stream.chunks(length).map(Bytes::copy_from_slice).collect();
    let mut times = vec![Vec::new(); contestants.len()];
    let mut expected = None;
    for round in 0..=ROUNDS {
        for ((name, read), times) in contestants.iter().zip(&mut times) {
            let started = Instant::now();
            let counts = black_box(read(black_box(&chunks))?);
            // The first round warms the caches.
            if round > 0 {
                times.push(started.elapsed());
            }
            if *expected.get_or_insert(counts) != counts {
                return Err(format!("{name} read {counts:?}, the first {expected:?}").into());
            }
        }
    }
    let rates: Vec<f64> = times.iter_mut().map(|times| rate(stream.len(), times)).collect();
    for ((name, _), rate) in contestants.iter().zip(&rates) {
        let ratio = rate / rates[2];
        println!("  {name:<24} {rate:>7.0} MB/s  {ratio:>6.2}x sse-stream");
    }
    Ok(())
}

/// Median, in megabytes a second.
fn rate(bytes: usize, times: &mut [Duration]) -> f64 {
    times.sort();
    bytes as f64 / 1e6 / times[times.len() / 2].as_secs_f64()
}

fn parser(chunks: &[Bytes]) -> Outcome<(usize, usize)> {
    let mut parser = Parser::new();
    let (mut events, mut length) = (0, 0);
    for chunk in chunks {
        let mut rest = &chunk[..];
        while let Some(event) = parser.next_event(&mut rest)? {
            events += 1;
            length += black_box(event.data).len();
        }
    }
    parser.finish()?;
    Ok((events, length))
}

fn body(chunks: &[Bytes]) -> impl futures::Stream<Item = Result<Bytes, Infallible>> + Unpin {
    stream::iter(chunks.iter().cloned().map(Ok))
}

fn own_stream(chunks: &[Bytes]) -> Outcome<(usize, usize)> {
    let mut stream = EventStream::new(body(chunks));
    count(|| Ok(block_on(stream.next()).transpose()?.map(|event| black_box(event).data.len())))
}

fn peer_sse_stream(chunks: &[Bytes]) -> Outcome<(usize, usize)> {
    let mut stream = SseStream::from_bytes_stream(body(chunks));
    count(|| {
        let event = block_on(stream.next()).transpose()?;
        Ok(event.map(|event| black_box(event).data.map_or(0, |data| data.len())))
    })
}

fn peer_eventsource_stream(chunks: &[Bytes]) -> Outcome<(usize, usize)> {
    let mut stream = body(chunks).eventsource();
    count(|| {
        let event = block_on(stream.next()).transpose().map_err(|error| error.to_string())?;
        Ok(event.map(|event| black_box(event).data.len()))
    })
}

fn count(mut next: impl FnMut() -> Outcome<Option<usize>>) -> Outcome<(usize, usize)> {
    let (mut events, mut length) = (0, 0);
    while let Some(data) = next()? {
        events += 1;
        length += data;
    }
    Ok((events, length))
}

/// Small deltas, as chat providers stream them.
fn answer() -> Vec<u8> {
    let words = ["The", " sources", " say", " so", ",", " on", " page", " 12", ".", " żółw", "\\n"];
    let mut stream = String::with_capacity(STREAM_BYTES + 1024);
    for word in words.iter().cycle() {
        if stream.len() >= STREAM_BYTES {
            break;
        }
        let _ = write!(
            stream,
            "data: {{\"id\":\"chatcmpl-7Qx\",\"object\":\"chat.completion.chunk\",\"created\":1763700000,\"model\":\"m\",\
             \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":null}}]}}\n\n"
        );
    }
    stream.into_bytes()
}

fn one_event(bytes: usize) -> Vec<u8> {
    let mut stream = b"data: ".to_vec();
    stream.resize(6 + bytes, b'x');
    stream.extend_from_slice(b"\n\n");
    stream
}
