//! How many tokens a piece of text is merged into.
//!
//! Most pieces are one token, and nearly all are short. A short piece fits into one number, and so do its parts: to look one up is
//! a shift and one probe of a table that holds the short tokens, and nothing is allocated. The few long ones are left to the
//! crate that has the vocabulary, whose time grows with a text's length only, whatever is in it.
//!
//! What was counted is not remembered, though the same words stand in texts again and again. It would be faster, but a memory that tenants
//! share tells by its speed what others have asked, and holds their words. The tables are made of the public vocabulary alone.

use std::ops::Range;

use bpe_openai::byte_pair_encoding::BytePairEncoding;
use rustc_hash::{FxHashMap, FxHashSet};

/// The most bytes of a piece that is a number: the highest byte of 16 is its length.
const SHORT: usize = 15;
/// Of what no token is made.
const NEVER: u32 = u32::MAX;

/// The vocabulary. The hashes are not keyed: what is stored is the same for everybody, and a text can only ask.
pub(super) struct Ranks {
    /// The short tokens, and when they are merged: the lower, the earlier.
    short: FxHashMap<u128, u32>,
    long: FxHashSet<&'static [u8]>,
    all: &'static BytePairEncoding,
}

impl Ranks {
    pub(super) fn new(all: &'static BytePairEncoding) -> Self {
        let tokens = u32::try_from(all.num_tokens()).unwrap_or(NEVER);
        let mut ranks = Self { short: FxHashMap::default(), long: FxHashSet::default(), all };
        ranks.short.reserve(all.num_tokens());
        for rank in 0..tokens {
            let token = all.token_bytes(rank);
            if token.len() <= SHORT {
                let piece = Piece::new(token, 0..token.len());
                ranks.short.insert(piece.part(0, token.len()), rank);
            } else {
                ranks.long.insert(token);
            }
        }
        ranks
    }

    /// The number of tokens of a piece of a text.
    #[inline]
    pub(super) fn count(&self, text: &[u8], piece: Range<usize>) -> usize {
        match piece.len() {
            // Every byte is a token.
            0 | 1 => piece.len(),
            bytes if bytes <= SHORT => {
                let short = Piece::new(text, piece);
                if self.short.contains_key(&short.part(0, bytes)) {
                    1
                } else {
                    self.merge(short, bytes)
                }
            }
            _ => self.count_long(text.get(piece).unwrap_or_default()),
        }
    }

    fn count_long(&self, piece: &[u8]) -> usize {
        if self.long.contains(piece) { 1 } else { self.all.count(piece) }
    }

    /// Byte-pair encoding as it is defined: of all neighbours that are a token together, the one of the lowest rank is merged, the
    /// first of them where there are several; until there are none.
    #[inline(never)]
    fn merge(&self, piece: Piece, bytes: usize) -> usize {
        let rank = |from, to| self.short.get(&piece.part(from, to)).copied().unwrap_or(NEVER);
        // By where a part begins, the rank of it together with the next.
        let mut ranks = [NEVER; SHORT];
        for (from, with_next) in ranks.iter_mut().enumerate().take(bytes - 1) {
            *with_next = rank(from, from + 2);
        }
        let mut starts = Starts::new(bytes);
        loop {
            let lowest = ranks.iter().enumerate().min_by_key(|(_, rank)| **rank);
            let Some((at, _)) = lowest.filter(|(_, rank)| **rank != NEVER) else {
                return starts.parts();
            };
            let gone = starts.after(at);
            starts.remove(gone);
            let end = starts.after(at);
            let joined = if end < bytes { rank(at, starts.after(end)) } else { NEVER };
            let before = starts.before(at).map(|before| (before, rank(before, end)));
            for (from, new) in [(gone, NEVER), (at, joined)].into_iter().chain(before) {
                if let Some(with_next) = ranks.get_mut(from) {
                    *with_next = new;
                }
            }
        }
    }
}

/// The bytes of a short piece, the first one lowest, and perhaps some that come after it.
#[derive(Clone, Copy)]
struct Piece(u128);

impl Piece {
    #[inline]
    fn new(text: &[u8], piece: Range<usize>) -> Self {
        let from = piece.start;
        // As many bytes at once wherever there are so many: a copy of a fixed size is one instruction.
        if let Some(all) = text.get(from..from + size_of::<u128>()) {
            return Self(all.try_into().map_or(0, u128::from_le_bytes));
        }
        let bytes = text.get(piece).unwrap_or_default();
        Self(bytes.iter().rev().fold(0, |all, byte| all << 8 | u128::from(*byte)))
    }

    /// A part as the tables know it: its bytes, and above them how many there are.
    #[inline]
    const fn part(self, from: usize, to: usize) -> u128 {
        let bytes = to - from;
        let kept = (1_u128 << (8 * bytes)) - 1;
        (self.0 >> (8 * from)) & kept | (bytes as u128) << (8 * SHORT)
    }
}

/// Where the parts of a piece begin, a bit for each, and one for its end.
struct Starts(u32);

impl Starts {
    const fn new(bytes: usize) -> Self {
        Self((1 << (bytes + 1)) - 1)
    }

    const fn parts(&self) -> usize {
        self.0.count_ones() as usize - 1
    }

    const fn remove(&mut self, start: usize) {
        self.0 &= !(1 << start);
    }

    const fn after(&self, start: usize) -> usize {
        start + 1 + (self.0 >> (start + 1)).trailing_zeros() as usize
    }

    fn before(&self, start: usize) -> Option<usize> {
        (self.0 & ((1 << start) - 1)).checked_ilog2().map(|bit| bit as usize)
    }
}
