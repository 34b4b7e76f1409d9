//! From texts to the token numbers that an encoder reads: word pieces, special tokens around them, long texts
//! shortened.
//!
//! The pieces are those of the reference tokenizers (Wu et al. 2016, as in BERT). A text that spells a
//! special token (`[SEP]`) is plain text here, so that a prompt cannot end itself.

use serde::{Deserialize, Serialize};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{DecoderWrapper, PostProcessorWrapper, TokenizerBuilder, TokenizerImpl};

use demur_data::Input;

use crate::encoder::config::{Architecture, EncoderConfig};
use crate::encoder::error::EncoderError;
use crate::encoder::manifest::Reads;

/// Characters of a text that are read per token kept: far more than words have, so that a long text costs no
/// more than a short one.
const CHARS_PER_TOKEN: usize = 64;

/// The tokens of one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Token numbers, including special tokens.
    pub ids: Vec<u32>,
    /// The start of the second text; the length if there is none.
    pub second: usize,
}

/// Several inputs, padded to one length. All lists are row-major, `rows` x `length`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenBatch {
    /// Number of inputs.
    pub rows: usize,
    /// Tokens of each, including padding.
    pub length: usize,
    /// Token numbers.
    pub ids: Vec<i64>,
    /// 1 for a token, 0 for padding.
    pub mask: Vec<i64>,
    /// 1 in the second text, 0 elsewhere.
    pub types: Vec<i64>,
}

impl TokenBatch {
    /// Combines inputs into a batch.
    #[must_use]
    pub fn of(config: &EncoderConfig, inputs: &[&Tokens]) -> Self {
        let length = inputs.iter().map(|tokens| tokens.ids.len()).max().unwrap_or_default();
        let size = inputs.len() * length;
        let mut batch = Self {
            rows: inputs.len(),
            length,
            ids: vec![config.pad; size],
            mask: vec![0; size],
            types: vec![0; size],
        };
        for (row, tokens) in inputs.iter().enumerate() {
            for (at, &id) in tokens.ids.iter().enumerate() {
                let place = row * length + at;
                batch.ids[place] = i64::from(id);
                batch.mask[place] = 1;
                batch.types[place] = i64::from(at >= tokens.second && config.token_types > 1);
            }
        }
        batch
    }
}

type Pieces =
    TokenizerImpl<WordPiece, BertNormalizer, BertPreTokenizer, PostProcessorWrapper, DecoderWrapper>;

/// Splits texts into tokens.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    pieces: Pieces,
    first: u32,
    end: u32,
    /// Number of special tokens between two texts.
    between: usize,
}

impl Tokenizer {
    /// A tokenizer with the vocabulary of a `vocab.txt`, one piece per line.
    ///
    /// # Errors
    /// What is wrong with the vocabulary, in words.
    pub fn new(config: &EncoderConfig, vocabulary: &[u8]) -> Result<Self, String> {
        let vocabulary = WordPiece::read_bytes(vocabulary).map_err(|cause| cause.to_string())?;
        let entries = vocabulary.values().max().map_or(0, |&last| last as usize + 1);
        if entries > config.vocabulary {
            return Err(format!("{entries} pieces, the settings say {}", config.vocabulary));
        }
        let (first, end, between) = match config.architecture {
            Architecture::Bert => ("[CLS]", "[SEP]", 1),
            Architecture::Mpnet => ("<s>", "</s>", 2),
        };
        let number = |piece: &str| {
            vocabulary.get(piece).copied().ok_or_else(|| format!("there is no piece `{piece}` in it"))
        };
        let (first, end, _) = (number(first)?, number(end)?, number("[UNK]")?);
        let model = WordPiece::builder()
            .vocab(vocabulary)
            .unk_token("[UNK]".to_owned())
            .build()
            .map_err(|cause| cause.to_string())?;
        let pieces = TokenizerBuilder::default()
            .with_model(model)
            .with_normalizer(Some(BertNormalizer::new(true, true, None, config.lowercase)))
            .with_pre_tokenizer(Some(BertPreTokenizer))
            .with_post_processor(None)
            .with_decoder(None)
            .build()
            .map_err(|cause| cause.to_string())?;
        Ok(Self { pieces, first, end, between })
    }

    /// The tokens of the texts that the model reads. A prompt that is too long keeps its first tokens; a
    /// response keeps the first three quarters and the last quarter of its remaining budget.
    ///
    /// # Errors
    /// [`EncoderError::Library`] if the tokenizer fails.
    pub fn encode(&self, reads: &Reads, input: &Input<'_>) -> Result<Tokens, EncoderError> {
        let (prompt, response) = (input.prompt.unwrap_or_default(), input.response.unwrap_or_default());
        match reads {
            Reads::Prompt { tokens } => {
                let mut ids = vec![self.first];
                ids.extend(self.head(prompt, tokens.saturating_sub(2))?);
                ids.push(self.end);
                Ok(Tokens { second: ids.len(), ids })
            }
            Reads::Response { tokens } => {
                let mut ids = vec![self.first];
                ids.extend(self.ends(response, tokens.saturating_sub(2))?);
                ids.push(self.end);
                Ok(Tokens { second: ids.len(), ids })
            }
            Reads::Both { tokens, prompt_tokens } => {
                let mut ids = vec![self.first];
                ids.extend(self.head(prompt, *prompt_tokens)?);
                ids.extend(std::iter::repeat_n(self.end, self.between));
                let second = ids.len();
                ids.extend(self.ends(response, tokens.saturating_sub(second + 1))?);
                ids.push(self.end);
                Ok(Tokens { ids, second })
            }
        }
    }

    fn pieces(&self, text: &str) -> Result<Vec<u32>, EncoderError> {
        let encoding = self.pieces.encode_fast(text, false);
        let encoding = encoding.map_err(|cause| EncoderError::Library {
            library: "tokenizers",
            reason: format!("cannot cut the text into pieces: {cause}"),
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The first tokens of a text.
    fn head(&self, text: &str, most: usize) -> Result<Vec<u32>, EncoderError> {
        let mut ids = self.pieces(first_chars(text, most * CHARS_PER_TOKEN))?;
        ids.truncate(most);
        Ok(ids)
    }

    /// The whole text, or its first and last tokens if there are more than `most`.
    fn ends(&self, text: &str, most: usize) -> Result<Vec<u32>, EncoderError> {
        let shown = first_chars(text, most * CHARS_PER_TOKEN);
        let mut ids = self.pieces(shown)?;
        if shown.len() == text.len() && ids.len() <= most {
            return Ok(ids);
        }
        let of_tail = most / 4;
        let tail = if shown.len() == text.len() {
            ids[ids.len() - of_tail..].to_vec()
        } else {
            let pieces = self.pieces(last_chars(text, of_tail * CHARS_PER_TOKEN))?;
            pieces[pieces.len().saturating_sub(of_tail)..].to_vec()
        };
        ids.truncate(most - of_tail);
        ids.extend(tail);
        Ok(ids)
    }
}

fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

fn last_chars(text: &str, count: usize) -> &str {
    match count.checked_sub(1) {
        Some(before) => text.char_indices().rev().nth(before).map_or(text, |(start, _)| &text[start..]),
        None => "",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encoder::tier::tests::config;

    const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\n##d\n[\n]\nsep\n";

    fn encode(reads: &Reads, prompt: &str, response: &str) -> Tokens {
        let tokenizer = Tokenizer::new(&config(Architecture::Bert), VOCABULARY.as_bytes()).unwrap();
        let input = Input { response: Some(response), ..Input::prompt(prompt) };
        tokenizer.encode(reads, &input).unwrap()
    }

    #[test]
    fn a_text_is_cut_into_pieces_between_special_tokens() {
        let tokens = encode(&Reads::Prompt { tokens: 16 }, "A bd, x", "");
        assert_eq!(tokens.ids, [2, 4, 5, 7, 1, 1, 3]);
        assert_eq!(tokens.second, 7);
        let spelt = encode(&Reads::Prompt { tokens: 16 }, "a [SEP] b", "");
        assert_eq!(spelt.ids, [2, 4, 8, 10, 9, 5, 3], "a special token in the text is text");
        assert_eq!(encode(&Reads::Prompt { tokens: 16 }, " \n", "").ids, [2, 3]);
    }

    #[test]
    fn long_texts_are_shortened() {
        let prompt = encode(&Reads::Prompt { tokens: 5 }, "a b c a b c", "");
        assert_eq!(prompt.ids, [2, 4, 5, 6, 3], "a prompt keeps its beginning");
        let answer = encode(&Reads::Response { tokens: 10 }, "", "a a a a a a b b b b c c");
        assert_eq!(answer.ids, [2, 4, 4, 4, 4, 4, 4, 6, 6, 3], "an answer keeps both ends");
        let both = encode(&Reads::Both { tokens: 12, prompt_tokens: 2 }, "b b b", &"a ".repeat(500));
        assert_eq!(both.ids, [2, 5, 5, 3, 4, 4, 4, 4, 4, 4, 4, 3]);
        assert_eq!(both.second, 4);
        let far = format!("{} c", "a ".repeat(5000));
        let far = encode(&Reads::Response { tokens: 6 }, "", &far);
        assert_eq!(far.ids, [2, 4, 4, 4, 6, 3], "the end of a text that is not looked at whole");
    }

    #[test]
    fn a_batch_is_filled_up() {
        let (one, two) =
            (encode(&Reads::Prompt { tokens: 9 }, "a", ""), encode(&Reads::Prompt { tokens: 9 }, "a b", ""));
        let batch = TokenBatch::of(&config(Architecture::Bert), &[&one, &two]);
        assert_eq!((batch.rows, batch.length), (2, 4));
        assert_eq!(batch.ids, [2, 4, 3, 0, 2, 4, 5, 3]);
        assert_eq!(batch.mask, [1, 1, 1, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn a_vocabulary_that_is_none_is_refused() {
        let config = config(Architecture::Bert);
        assert!(Tokenizer::new(&config, b"a\nb\n").unwrap_err().contains("[CLS]"));
        let long = (0..100).map(|i| format!("w{i}\n")).collect::<String>();
        assert!(Tokenizer::new(&config, long.as_bytes()).unwrap_err().contains("pieces"));
    }
}
