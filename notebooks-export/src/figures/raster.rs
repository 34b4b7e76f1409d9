//! Renders a drawing as PNG: shapes by tiny-skia, text from the outlines of a compiled-in font (Hack, from a
//! crate), so that the same drawing has the same pixels on every machine.

use tiny_skia::{Color, FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

use crate::figures::drawing::{Anchor, DARK, Drawing, FONT_SIZE, Shape, WIDTH};

/// Pixels per unit of a drawing.
const SCALE: f32 = 2.0;
const FONT: &[u8] = epaint_default_fonts::HACK_REGULAR;

impl Drawing {
    /// The drawing as PNG, two pixels per unit; `None` if it is too large.
    #[must_use]
    pub fn to_png(&self) -> Option<Vec<u8>> {
        let pixels = |length: f64| (length as f32 * SCALE).ceil() as u32;
        let mut canvas = Canvas {
            pixmap: Pixmap::new(pixels(WIDTH), pixels(self.height()))?,
            face: Face::parse(FONT, 0).ok()?,
        };
        self.shapes().iter().for_each(|shape| canvas.draw(shape));
        canvas.pixmap.encode_png().ok()
    }
}

struct Canvas {
    pixmap: Pixmap,
    face: Face<'static>,
}

/// A colour of the form `#rrggbb`; black for any other.
fn paint(colour: &str) -> Paint<'static> {
    let number = u32::from_str_radix(colour.trim_start_matches('#'), 16).unwrap_or(0);
    let [_, red, green, blue] = number.to_be_bytes();
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(Color::from_rgba8(red, green, blue, 255));
    paint
}

fn stroke(width: f32, dashed: bool) -> Stroke {
    let dash = if dashed { StrokeDash::new(vec![5.0, 4.0], 0.0) } else { None };
    Stroke { width, dash, ..Stroke::default() }
}

impl Canvas {
    fn fill(&mut self, path: Option<&Path>, fill: &str, transform: Transform) {
        if let Some(path) = path {
            self.pixmap.fill_path(path, &paint(fill), FillRule::Winding, transform, None);
        }
    }

    fn outline(&mut self, path: Option<&Path>, colour: &str, stroke: &Stroke, transform: Transform) {
        if let Some(path) = path {
            self.pixmap.stroke_path(path, &paint(colour), stroke, transform, None);
        }
    }

    fn draw(&mut self, shape: &Shape) {
        let scaled = Transform::from_scale(SCALE, SCALE);
        match shape {
            Shape::Text { at, anchor, upright, bold, text } => {
                self.text(*at, *anchor, (*upright, *bold), text);
            }
            Shape::Line { from, to, stroke: colour, dashed } => {
                let path = polyline(&[*from, *to]);
                self.outline(path.as_ref(), colour, &stroke(1.0, *dashed), scaled);
            }
            Shape::Path { points, stroke: colour } => {
                self.outline(polyline(points).as_ref(), colour, &stroke(1.5, false), scaled);
            }
            Shape::Rect { at: (x, y), size: (width, height), fill, outlined } => {
                let rect = Rect::from_xywh(*x as f32, *y as f32, *width as f32, *height as f32);
                let path = rect.map(PathBuilder::from_rect);
                self.fill(path.as_ref(), fill, scaled);
                if *outlined {
                    self.outline(path.as_ref(), DARK, &stroke(0.5, false), scaled);
                }
            }
            Shape::Circle { at: (x, y), radius, fill, outlined } => {
                let path = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32);
                self.fill(path.as_ref(), fill, scaled);
                if *outlined {
                    self.outline(path.as_ref(), DARK, &stroke(1.0, false), scaled);
                }
            }
        }
    }

    /// A text; characters missing from the font are shown as an empty box.
    fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, (upright, bold): (bool, bool), text: &str) {
        let size = FONT_SIZE as f32 / f32::from(self.face.units_per_em());
        let missing = self.face.glyph_index('\u{25a1}').unwrap_or(GlyphId(0));
        let glyphs: Vec<GlyphId> =
            text.chars().map(|c| self.face.glyph_index(c).unwrap_or(missing)).collect();
        let advance = |glyph: &GlyphId| f32::from(self.face.glyph_hor_advance(*glyph).unwrap_or(0)) * size;
        let width: f32 = glyphs.iter().map(advance).sum();
        let mut pen = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let mut outline = Outline { builder: PathBuilder::new(), size, pen: 0.0 };
        for glyph in &glyphs {
            outline.pen = pen;
            // A space has no outline.
            let _ = self.face.outline_glyph(*glyph, &mut outline);
            pen += advance(glyph);
        }
        let turned = if upright { Transform::from_rotate(-90.0) } else { Transform::identity() };
        let transform = turned.post_translate(x as f32, y as f32).post_scale(SCALE, SCALE);
        let path = outline.builder.finish();
        self.fill(path.as_ref(), DARK, transform);
        if bold {
            self.outline(path.as_ref(), DARK, &stroke(0.6, false), transform);
        }
    }
}

fn polyline(points: &[(f64, f64)]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for (at, (x, y)) in points.iter().enumerate() {
        if at == 0 {
            builder.move_to(*x as f32, *y as f32);
        } else {
            builder.line_to(*x as f32, *y as f32);
        }
    }
    builder.finish()
}

/// A glyph's outline at the pen's position; its y axis points up.
struct Outline {
    builder: PathBuilder,
    size: f32,
    pen: f32,
}

impl Outline {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (x.mul_add(self.size, self.pen), -y * self.size)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.builder.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.builder.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.builder.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.builder.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.builder.close();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_texts_are_where_the_drawing_has_them() {
        let mut drawing = Drawing::new("", "", 100.0);
        drawing.rect((100.0, 50.0), (20.0, 20.0), "#ff0000");
        drawing.text((300.0, 80.0), Anchor::Middle, "MMMM \u{4e2d}");
        let bytes = drawing.to_png().unwrap();
        assert_eq!(bytes, drawing.to_png().unwrap());
        let image = Pixmap::decode_png(&bytes).unwrap();
        assert_eq!((image.width(), image.height()), (1280, 200));
        let red = image.pixel(220, 120).unwrap();
        assert_eq!((red.red(), red.green(), red.blue()), (255, 0, 0));
        let white = image.pixel(10, 190).unwrap();
        assert_eq!(white.red(), 255);
        let dark = |from: u32, to: u32| {
            (from..to)
                .flat_map(|x| (140..160).map(move |y| (x, y)))
                .filter(|&(x, y)| image.pixel(x, y).unwrap().red() < 90)
                .count()
        };
        assert!(dark(570, 630) > 100, "the text is about its middle");
        assert_eq!(dark(900, 1000), 0);
    }
}
