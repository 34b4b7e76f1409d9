//! An ONNX graph under construction: nodes, constants, weights, and the model that contains them.
//!
//! Field numbers and data types are those of `onnx.proto`, IR version 9, <https://github.com/onnx/onnx>.

use std::borrow::Cow;

use crate::encoder::error::EncoderError;
use crate::encoder::tier::onnx::protobuf::Message;
use crate::encoder::tier::weights::{Numbers, Weights};

/// The operator set version: the first with `Gelu`.
const OPSET: i64 = 20;
/// The version of the file format that came with it.
const IR_VERSION: i64 = 9;

const FLOAT: i64 = 1;
const INT8: i64 = 3;
const INT64: i64 = 7;

/// An attribute of a node.
pub(super) enum Attribute<'a> {
    Float(f32),
    Int(i64),
    Ints(&'a [i64]),
}

/// A size of an input or output: fixed, or named and known only when the graph runs.
pub(super) enum Size {
    Fixed(usize),
    Named(&'static str),
}

/// The name of a value in the graph.
pub(super) type Value = String;

/// The nodes and tensors so far. A value is named when the node or constant that produces it is added.
pub(super) struct Graph<'a> {
    weights: &'a Weights,
    body: Message<'a>,
    values: usize,
}

impl<'a> Graph<'a> {
    pub(super) fn new(weights: &'a Weights) -> Self {
        Self { weights, body: Message::default().bytes(2, b"encoder"), values: 0 }
    }

    /// Adds a node and returns the name of its single output.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> Value {
        self.values += 1;
        let output = format!("{operator}_{}", self.values);
        self.add_node(operator, inputs, attributes, &output);
        output
    }

    /// Adds a node whose output is an output of the graph.
    pub(super) fn result(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
        (output, width): (&str, usize),
    ) {
        self.add_node(operator, inputs, attributes, output);
        self.port(12, output, FLOAT, &[Size::Named("batch"), Size::Fixed(width)]);
    }

    /// Adds an input of token numbers, batch by length.
    pub(super) fn input(&mut self, name: &str) {
        self.port(11, name, INT64, &[Size::Named("batch"), Size::Named("length")]);
    }

    /// Adds a tensor of the weights, which must have this shape, in single precision.
    pub(super) fn weight(&mut self, name: &str, shape: &[usize]) -> Result<Value, EncoderError> {
        let scales = self.tensor_of(name, shape)?;
        // The runtime does this once, when it loads the graph.
        Ok(match scales {
            Some(scales) => self.node("DequantizeLinear", &[name, &scales], &[("axis", Attribute::Int(0))]),
            None => name.to_owned(),
        })
    }

    /// Adds the rows of a matrix of the weights that `rows` numbers, batch by length. One with eight bits,
    /// like a large vocabulary, stays as it is until then.
    pub(super) fn rows(&mut self, name: &str, shape: &[usize], rows: &str) -> Result<Value, EncoderError> {
        let scales = self.tensor_of(name, shape)?;
        let found = self.node("Gather", &[name, rows], &[]);
        let Some(scales) = scales else { return Ok(found) };
        let axis = self.ints(&[2]);
        let found = self.node("Cast", &[&found], &[("to", Attribute::Int(FLOAT))]);
        let scales = self.node("Gather", &[&scales, rows], &[]);
        let scales = self.node("Unsqueeze", &[&scales, &axis], &[]);
        Ok(self.node("Mul", &[&found, &scales], &[]))
    }

    /// Adds a tensor of the weights as it is stored, under its name, and the scales of its rows, if it has
    /// some.
    fn tensor_of(&mut self, name: &str, shape: &[usize]) -> Result<Option<Value>, EncoderError> {
        let weights = self.weights;
        let (found, numbers) = weights.stored(name)?;
        check_shape(name, found, shape)?;
        Ok(match numbers {
            Numbers::Single(numbers) => {
                self.tensor(FLOAT, shape, name, |tensor| tensor.numbers(9, numbers));
                None
            }
            Numbers::Eight { bytes, scales } => {
                self.tensor(INT8, shape, name, |tensor| tensor.array(9, bytes));
                Some(self.floats(&[scales.len()], scales))
            }
        })
    }

    /// The numbers of such a tensor, without adding it to the graph.
    pub(super) fn checked(&self, name: &str, shape: &[usize]) -> Result<Cow<'a, [f32]>, EncoderError> {
        let (found, numbers) = self.weights.get(name)?;
        check_shape(name, found, shape)?;
        Ok(numbers)
    }

    /// Adds numbers that are not among the weights.
    pub(super) fn floats(&mut self, shape: &[usize], numbers: &[f32]) -> Value {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.constant(FLOAT, shape, &bytes)
    }

    /// Adds a single number.
    pub(super) fn float(&mut self, number: f32) -> Value {
        self.floats(&[], &[number])
    }

    /// Adds a vector of integers.
    pub(super) fn ints(&mut self, numbers: &[i64]) -> Value {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.constant(INT64, &[numbers.len()], &bytes)
    }

    /// Adds a single integer.
    pub(super) fn int(&mut self, number: i64) -> Value {
        self.constant(INT64, &[], &number.to_le_bytes())
    }

    /// The bytes of a model with this graph.
    pub(super) fn into_model(self) -> Result<Vec<u8>, EncoderError> {
        let operators = Message::default().bytes(1, b"").int(2, OPSET);
        let model = Message::default().int(1, IR_VERSION).bytes(2, b"demur");
        model.message(7, self.body).message(8, operators).into_bytes()
    }

    fn add(&mut self, field: u32, message: Message<'a>) {
        let body = std::mem::take(&mut self.body);
        self.body = body.message(field, message);
    }

    fn add_node(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Attribute)], output: &str) {
        let mut node = Message::default();
        for input in inputs {
            node = node.bytes(1, input.as_bytes());
        }
        node = node.bytes(2, output.as_bytes()).bytes(3, output.as_bytes()).bytes(4, operator.as_bytes());
        for (name, attribute) in attributes {
            let named = Message::default().bytes(1, name.as_bytes());
            let (written, kind) = match attribute {
                Attribute::Float(number) => (named.float(2, *number), 1),
                Attribute::Int(number) => (named.int(3, *number), 2),
                Attribute::Ints(numbers) => {
                    (numbers.iter().fold(named, |message, &number| message.int(8, number)), 7)
                }
            };
            node = node.message(5, written.int(20, kind));
        }
        self.add(1, node);
    }

    fn constant(&mut self, kind: i64, shape: &[usize], bytes: &[u8]) -> Value {
        self.values += 1;
        let name = format!("constant_{}", self.values);
        self.tensor(kind, shape, &name, |tensor| tensor.bytes(9, bytes));
        name
    }

    fn tensor(
        &mut self,
        kind: i64,
        shape: &[usize],
        name: &str,
        data: impl FnOnce(Message<'a>) -> Message<'a>,
    ) {
        let dimensions = shape.iter().fold(Message::default(), |tensor, &size| tensor.int(1, size as i64));
        self.add(5, data(dimensions.int(2, kind).bytes(8, name.as_bytes())));
    }

    fn port(&mut self, field: u32, name: &str, kind: i64, shape: &[Size]) {
        let dimension = |size: &Size| match size {
            Size::Fixed(size) => Message::default().int(1, *size as i64),
            Size::Named(name) => Message::default().bytes(2, name.as_bytes()),
        };
        let shape = shape.iter().fold(Message::default(), |shape, size| shape.message(1, dimension(size)));
        let tensor = Message::default().int(1, kind).message(2, shape);
        let port = Message::default().bytes(1, name.as_bytes());
        self.add(field, port.message(2, Message::default().message(1, tensor)));
    }
}

fn check_shape(name: &str, found: &[usize], shape: &[usize]) -> Result<(), EncoderError> {
    if found == shape {
        return Ok(());
    }
    let reason = format!("has the shape {found:?}, the settings say {shape:?}");
    Err(EncoderError::Tensor { name: name.to_owned(), reason })
}
