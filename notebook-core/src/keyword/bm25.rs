/// The BM25 score, in one place for every adapter.
///
/// Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with
/// the inverse document frequency that is never negative. The score of a chunk is the sum of
/// [`term`](Self::term) over the words of the query, a repeated word counting every time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bm25 {
    /// How soon further occurrences of a word stop counting.
    pub k1: f32,
    /// How much longer texts are held back: 0 not at all, 1 in proportion.
    pub b: f32,
}

impl Default for Bm25 {
    /// 0.9 and 0.4, which suit short passages.
    fn default() -> Self {
        Self { k1: 0.9, b: 0.4 }
    }
}

impl Bm25 {
    /// The weight of a word that `holding` of `chunks` chunks hold.
    #[must_use]
    pub fn idf(holding: u64, chunks: u64) -> f32 {
        let (holding, chunks) = (holding as f64, chunks as f64);
        (1.0 + (chunks - holding + 0.5).max(0.0) / (holding + 0.5)).ln() as f32
    }

    /// What a word of weight `idf` adds to the score of a text of `length` words that holds it
    /// `occurrences` times, when texts have `average` words.
    ///
    /// ```
    /// use notebook_core::keyword::Bm25;
    ///
    /// let bm25 = Bm25 { k1: 1.0, b: 0.5 };
    /// assert_eq!(bm25.term(2.0, 1.0, 10.0, 10.0), 1.0);
    /// assert!(bm25.term(2.0, 1.0, 20.0, 10.0) < 1.0);
    /// ```
    #[must_use]
    pub fn term(self, idf: f32, occurrences: f32, length: f32, average: f32) -> f32 {
        let norm = self.k1 * (1.0 - self.b + self.b * length / average.max(f32::MIN_POSITIVE));
        idf * occurrences / (occurrences + norm)
    }
}
