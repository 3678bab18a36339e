//! The notebook chat: context within a token budget, streamed answers, verified citations.
