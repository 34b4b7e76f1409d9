//! A drawing as a list of shapes, rendered to SVG for the page and to PNG for everything else: no scripts, no
//! styles, grey on an explicit white background.

use crate::text::{escape, shorten};

/// Width of every drawing.
pub(crate) const WIDTH: f64 = 640.0;
pub(crate) const DARK: &str = "#222222";
pub(crate) const MIDDLE: &str = "#767676";
pub(crate) const LIGHT: &str = "#d0d0d0";
pub(crate) const WHITE: &str = "#ffffff";
/// Size of all text; a monospaced character is 0.602 of it wide.
pub(crate) const FONT_SIZE: f64 = 12.0;

/// A position, x to the right and y down.
pub(crate) type Point = (f64, f64);

/// How a text is aligned at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// One thing to draw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Text { at: Point, anchor: Anchor, upright: bool, bold: bool, text: String },
    Line { from: Point, to: Point, stroke: &'static str, dashed: bool },
    Path { points: Vec<Point>, stroke: &'static str },
    Rect { at: Point, size: (f64, f64), fill: &'static str, outlined: bool },
    Circle { at: Point, radius: f64, fill: &'static str, outlined: bool },
}

/// Shapes on a white background.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    title: String,
    height: f64,
    shapes: Vec<Shape>,
}

impl Drawing {
    /// A background with a title and a line below it.
    pub(crate) fn new(title: &str, note: &str, height: f64) -> Self {
        let mut drawing = Self { title: title.to_owned(), height, shapes: Vec::new() };
        drawing.shapes.push(Shape::Rect {
            at: (0.0, 0.0),
            size: (WIDTH, height),
            fill: WHITE,
            outlined: false,
        });
        let text = shorten(title, 85);
        let (at, anchor) = ((10.0, 20.0), Anchor::Start);
        drawing.shapes.push(Shape::Text { at, anchor, upright: false, bold: true, text });
        drawing.text((10.0, 38.0), Anchor::Start, note);
        drawing
    }

    pub(crate) fn text(&mut self, at: Point, anchor: Anchor, text: &str) {
        self.shapes.push(Shape::Text { at, anchor, upright: false, bold: false, text: text.to_owned() });
    }

    /// A text that runs upwards, centred on a point.
    pub(crate) fn upright(&mut self, at: Point, text: &str) {
        let (anchor, text) = (Anchor::Middle, text.to_owned());
        self.shapes.push(Shape::Text { at, anchor, upright: true, bold: false, text });
    }

    pub(crate) fn line(&mut self, from: Point, to: Point, stroke: &'static str) {
        self.shapes.push(Shape::Line { from, to, stroke, dashed: false });
    }

    pub(crate) fn dashed(&mut self, from: Point, to: Point, stroke: &'static str) {
        self.shapes.push(Shape::Line { from, to, stroke, dashed: true });
    }

    pub(crate) fn path(&mut self, points: Vec<Point>, stroke: &'static str) {
        self.shapes.push(Shape::Path { points, stroke });
    }

    pub(crate) fn rect(&mut self, at: Point, size: (f64, f64), fill: &'static str) {
        self.shapes.push(Shape::Rect { at, size, fill, outlined: true });
    }

    pub(crate) fn circle(&mut self, at: Point, fill: &'static str) {
        self.shapes.push(Shape::Circle { at, radius: 4.0, fill, outlined: true });
    }

    pub(crate) fn dot(&mut self, at: Point, fill: &'static str) {
        self.shapes.push(Shape::Circle { at, radius: 2.0, fill, outlined: false });
    }

    pub(crate) const fn height(&self) -> f64 {
        self.height
    }

    pub(crate) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The drawing as SVG.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let (title, height) = (escape(&self.title), self.height);
        let body: String = self.shapes.iter().map(svg).collect();
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-family=\"monospace\" font-size=\"{FONT_SIZE}\">\n<title>{title}</title>\n{body}</svg>\n"
        )
    }
}

fn svg(shape: &Shape) -> String {
    let outline = |outlined: bool, width: &str| {
        if outlined { format!(" stroke=\"{DARK}\" stroke-width=\"{width}\"") } else { String::new() }
    };
    match shape {
        Shape::Text { at: (x, y), anchor, upright, bold, text } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let turn =
                if *upright { format!(" transform=\"rotate(-90 {x:.1} {y:.1})\"") } else { String::new() };
            let weight = if *bold { " font-weight=\"bold\"" } else { "" };
            format!(
                "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{DARK}\" text-anchor=\"{anchor}\"{weight}{turn}>{}</text>\n",
                escape(text)
            )
        }
        Shape::Line { from: (x1, y1), to: (x2, y2), stroke, dashed } => {
            let dashes = if *dashed { " stroke-dasharray=\"5 4\"" } else { "" };
            format!(
                "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{stroke}\"{dashes}/>\n"
            )
        }
        Shape::Path { points, stroke } => {
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.5\"/>\n",
                points.join(" ")
            )
        }
        Shape::Rect { at: (x, y), size: (width, height), fill, outlined } => format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"{}/>\n",
            outline(*outlined, "0.5")
        ),
        Shape::Circle { at: (x, y), radius, fill, outlined } => format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\"{}/>\n",
            outline(*outlined, "1")
        ),
    }
}
