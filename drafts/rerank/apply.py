import re,os,shutil
R='/work/wt/sources/'
def sub(p,*pairs):
    s=open(R+p).read()
    for a,b in pairs:
        assert a in s,(p,a)
        s=s.replace(a,b,1)
    open(R+p,'w').write(s)
os.makedirs(R+'notebook-rag/src/rerank',exist_ok=True)
shutil.copy('/tmp/rr/mod.rs',R+'notebook-rag/src/rerank/mod.rs')
shutil.copy('/tmp/rr/cross.rs',R+'notebook-rag/src/embed/candle/cross.rs')
sub('notebook-rag/src/embed/candle/mod.rs',("mod bert;\n","mod bert;\npub mod cross;\n"))
sub('notebook-rag/src/embed/local/mod.rs',("/// A file's path and bytes.\nfn read(","/// A file's path and bytes.\npub(super) fn read("))
sub('notebook-rag/src/embed/candle/weights.rs',
("    /// The first row of the token types: texts are never pairs here.\n    pub(super) token_type: Vec<f32>,\n",
 "    /// The first row of the token types.\n    pub(super) token_type: Vec<f32>,\n    /// What the second row adds to the first: for the second text of a pair. Empty in models of one type.\n    pub(super) second_type: Vec<f32>,\n"),
("        token_type.truncate(hidden);\n",
 "        let second = token_type.get(hidden..2 * hidden).unwrap_or_default();\n        let second_type = second.iter().zip(&token_type).map(|(two, one)| two - one).collect();\n        token_type.truncate(hidden);\n"),
("            token_type,\n","            token_type,\n            second_type,\n"),
("/// Finds tensors by name","""/// What a model that judges texts has beside its body: one label's.
#[derive(Debug)]
pub(super) struct Head {
    /// `[hidden, hidden]`, by outputs.
    pooler: Vec<f32>,
    pooler_bias: Vec<f32>,
    label: Vec<f32>,
    label_bias: f32,
}

impl Head {
    /// Takes it out of the bytes of a safetensors `file`.
    pub(super) fn parse(file: &Path, bytes: &[u8], config: &BertConfig) -> Result<Self> {
        let body = Reader::open(file, bytes, config)?;
        let hidden = config.hidden_size;
        let (pooler, pooler_bias) = body.parts("pooler.dense", hidden, hidden)?;
        let (label, label_bias) = Reader { prefix: "", ..body }.parts("classifier", hidden, 1)?;
        let label_bias = label_bias.first().copied().unwrap_or_default();
        Ok(Self { pooler, pooler_bias, label, label_bias })
    }

    /// What it says of a text whose first token is in this state.
    pub(super) fn score(&self, first: &[f32]) -> f32 {
        let dot = |row: &[f32], x: &mut dyn Iterator<Item = f32>| -> f32 {
            row.iter().zip(x).map(|(weight, value)| weight * value).sum()
        };
        let rows = self.pooler.chunks_exact(first.len().max(1)).zip(&self.pooler_bias);
        let mut pooled =
            rows.map(|(row, bias)| (dot(row, &mut first.iter().copied()) + bias).tanh());
        dot(&self.label, &mut pooled) + self.label_bias
    }
}

/// Finds tensors by name"""),
("""        let tensors = SafeTensors::deserialize(bytes).map_err(|error| {
            Error::new(ErrorKind::Corrupt, OPERATION)
                .with("file", file.display().to_string())
                .with("reason", error.to_string())
                .with("fix", "fetch the file again")
                .caused_by(error)
        })?;
        let bare = tensors.names().iter().any(|name| name.starts_with("embeddings."));
        Reader { file, tensors, prefix: if bare { "" } else { "bert." }, config }.weights()
    }
}

impl Reader<'_> {
""","""        Reader::open(file, bytes, config)?.weights()
    }
}

impl<'a> Reader<'a> {
    fn open(file: &'a Path, bytes: &'a [u8], config: &'a BertConfig) -> Result<Self> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| {
            Error::new(ErrorKind::Corrupt, OPERATION)
                .with("file", file.display().to_string())
                .with("reason", error.to_string())
                .with("fix", "fetch the file again")
                .caused_by(error)
        })?;
        let bare = tensors.names().iter().any(|name| name.starts_with("embeddings."));
        Ok(Self { file, tensors, prefix: if bare { "" } else { "bert." }, config })
    }

"""))
sub('notebook-rag/src/embed/candle/bert.rs',
("""impl Forward for Bert {""","""impl Bert {
    /// The last state of the first token of each text. Each comes with the place from which on its tokens belong to the
    /// second of a pair.
    pub(super) fn first_tokens(
        &self,
        scratch: &mut Scratch,
        texts: &[(&[u32], usize)],
    ) -> Result<Vec<Vec<f32>>> {
        let hidden = self.settings.bert.hidden_size;
        let first = |scratch: &Scratch, span: &Range<usize>| {
            row(&scratch.x, span.start, hidden).map(<[f32]>::to_vec)
        };
        let states = forward(&self.settings, &self.weights, scratch, texts).and_then(|spans| {
            spans.iter().map(|span| first(scratch, span)).collect::<Result<Vec<_>, _>>()
        });
        states.map_err(|error| Error::new(ErrorKind::Internal, "run reranker").caused_by(error))
    }
}

impl Forward for Bert {"""),
("""        forward(&self.settings, &self.weights, scratch, texts).map_err(|error| {
            Error::new(ErrorKind::Internal, "run embedding model").caused_by(error)
        })
    }
}
""","""        let single: Vec<(&[u32], usize)> = texts.iter().map(|text| (*text, usize::MAX)).collect();
        let (settings, hidden) = (&self.settings, self.settings.bert.hidden_size);
        let vectors = forward(settings, &self.weights, scratch, &single).and_then(|spans| {
            let vector = |span: &Range<usize>| {
                let rows = scratch.x.get(span.start * hidden..span.end * hidden)?;
                pool(settings.pooling, hidden, rows)
            };
            spans.iter().map(|span| vector(span).ok_or(ShapeError)).collect()
        });
        vectors.map_err(|error| {
            Error::new(ErrorKind::Internal, "run embedding model").caused_by(error)
        })
    }
}

/// Runs the blocks; the states of all tokens are then in `scratch.x`, those of each text where the result says.
"""),
("""    texts: &[&[u32]],
) -> Result<Vec<Vec<f32>>, ShapeError> {
    let hidden = settings.bert.hidden_size;
    look_up(hidden, weights, scratch, texts)?;
""","""    texts: &[(&[u32], usize)],
) -> Result<Vec<Range<usize>>, ShapeError> {
    look_up(settings.bert.hidden_size, weights, scratch, texts)?;
"""),
("""    let vector = |span: &Range<usize>| {
        let rows = scratch.x.get(span.start * hidden..span.end * hidden)?;
        pool(settings.pooling, hidden, rows)
    };
    spans.iter().map(|span| vector(span).ok_or(ShapeError)).collect()
}

/// Where""","""    Ok(spans)
}

/// Where"""),
("""fn spans(texts: &[&[u32]]) -> Vec<Range<usize>> {""","""fn spans(texts: &[(&[u32], usize)]) -> Vec<Range<usize>> {"""),
("""        .map(|text| {
            let start = end;""","""        .map(|(text, _)| {
            let start = end;"""),
("""    texts: &[&[u32]],
) -> Result<(), ShapeError> {""","""    texts: &[(&[u32], usize)],
) -> Result<(), ShapeError> {"""),
("""    for text in texts {
        for (position, id) in text.iter().enumerate() {
            let id = usize::try_from(*id).map_err(|_| ShapeError)?;
            scratch.x.extend_from_slice(row(&weights.words, id, hidden)?);
            scratch.y.extend_from_slice(row(&weights.positions, position, hidden)?);
        }
    }
""","""    for (text, second) in texts {
        for (position, id) in text.iter().enumerate() {
            let id = usize::try_from(*id).map_err(|_| ShapeError)?;
            scratch.x.extend_from_slice(row(&weights.words, id, hidden)?);
            scratch.y.extend_from_slice(row(&weights.positions, position, hidden)?);
            if position >= *second {
                let from = scratch.y.len().saturating_sub(hidden);
                let state = scratch.y.get_mut(from..).unwrap_or_default();
                state.iter_mut().zip(&weights.second_type).for_each(|(state, more)| *state += more);
            }
        }
    }
"""))
sub('notebook-rag/src/lib.rs',("pub mod models;","pub mod models;\npub mod rerank;"))
sub('notebook-rag/src/retrieve/stage.rs',
("    /// Reading of the chunks.\n    LoadPassages,\n","    /// Reading of the chunks.\n    LoadPassages,\n    /// Judging of the passages by a model.\n    Rerank,\n"),
('            Self::LoadPassages => "load_passages",\n','            Self::LoadPassages => "load_passages",\n            Self::Rerank => "rerank",\n'))
sub('notebook-rag/src/retrieve/config.rs',
("    pub load: Duration,\n}","    pub load: Duration,\n    /// Judging the passages, where a model does. Their fused order is kept when it takes longer.\n    pub rerank: Duration,\n}"),
("            load: Duration::from_secs(5),\n","            load: Duration::from_secs(5),\n            rerank: Duration::from_secs(2),\n"))
sub('notebook-rag/src/retrieve/retriever.rs',
("/// Indexes that follow a store","""/// The model that has the last word on the order of passages.
#[derive(Clone)]
pub struct Reranking {
    /// The model.
    pub model: Arc<dyn Reranker>,
    /// How many passages it is given: 1 to 100; at least as many as are asked for.
    pub candidates: usize,
}

/// Indexes that follow a store"""),
("    following: Option<Arc<dyn CatchUp>>,\n    pub(super)","    following: Option<Arc<dyn CatchUp>>,\n    reranking: Option<Reranking>,\n    pub(super)"),
("Ok(Self { keyword, vector, store, following: None, config })","Ok(Self { keyword, vector, store, following: None, reranking: None, config })"),
("    /// The passages for a question, best first.","""    /// Lets a model that reads question and passages together order them.
    ///
    /// # Errors
    /// `InvalidInput` when it is to be given less than 1 or more than 100.
    pub fn reranking(mut self, reranking: Reranking) -> Result<Self> {
        if !(1..=MAX_LIMIT).contains(&reranking.candidates) {
            return Err(Error::invalid("configure retrieval", "candidates", "set it to 1 to 100"));
        }
        self.reranking = Some(reranking);
        Ok(self)
    }

    /// The passages for a question, best first."""),
("        let load = self.load(scope, &fused, request.limit);\n","        let most = self.reranking.as_ref().map_or(0, |last| last.candidates).max(request.limit);\n        let load = self.load(scope, &fused, most);\n"),
("        let passages = passages(result?, &fused, &found.vector, request.limit);\n","""        found.timings.push(timing);
        let mut passages = passages(result?, &fused, &found.vector, most);
        if let Some(Staged { result, timing }) = self.rerank(request, &mut passages, clock).await {
            found.timings.push(timing);
            found.warnings.extend(result.err().map(|error| warning(StageName::Rerank, &error)));
        }
        passages.truncate(request.limit);
"""),
("        let mut timings = found.timings;\n        timings.push(timing);\n",""),
("            timings,\n            partial","            timings: found.timings,\n            partial"),
("    /// Brings the indexes up to the store, where they follow it.\n    async fn catch_up(","""    /// Puts the passages in the order of the model's scores; when it fails or is late they stay as they are.
    async fn rerank(
        &self,
        request: &RetrieveRequest,
        passages: &mut Vec<Passage>,
        clock: Budget,
    ) -> Option<Staged<()>> {
        let last = self.reranking.as_ref()?;
        let texts: Vec<String> =
            passages.iter().map(|passage| passage.chunk.text.clone()).collect();
        let limit = clock.limit(self.config.limits.rerank);
        let judged = last.model.scores(&request.question, &texts);
        let Staged { result, timing } = staged(StageName::Rerank, limit, judged).await;
        let result = result.and_then(|scores| {
            if scores.len() != passages.len() {
                return Err(Error::new(ErrorKind::Protocol, "rerank passages")
                    .with("passages", passages.len().to_string())
                    .with("scores", scores.len().to_string()));
            }
            passages.iter_mut().zip(scores).for_each(|(one, score)| one.reranked = Some(score));
            // Stable: what is judged alike stays in fused order.
            passages.sort_by(|a, b| b.reranked.unwrap_or_default().total_cmp(&a.reranked.unwrap_or_default()));
            Ok(())
        });
        Some(Staged { result, timing })
    }

    /// Brings the indexes up to the store, where they follow it.
    async fn catch_up("""),
("            cosine: cosines.get(&chunk.key).copied(),\n","            cosine: cosines.get(&chunk.key).copied(),\n            reranked: None,\n"),
("use super::{\n    Fused,","use crate::rerank::Reranker;\n\nuse super::{\n    Fused,"))
sub('notebook-rag/src/retrieve/mod.rs',("pub use retriever::{CatchUp, Retriever, VectorSearch};","pub use retriever::{CatchUp, Reranking, Retriever, VectorSearch};"))
