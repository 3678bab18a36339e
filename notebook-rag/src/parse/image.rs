//! Pictures: decoded, turned upright and scaled, so that the program that recognises text gets nothing but grey
//! pixels of a bounded number.

use std::io::Cursor;

use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader,
    imageops::{self, FilterType},
    metadata::Orientation,
};
use notebook_core::document::SourceKind;

use super::{FailureCode, Limits, ParseFailure};

/// The longest side of what text is recognised in.
const LONGEST_SIDE: u32 = 1_920;
/// Pictures with sides up to this are shown twice as large: text on screens is smaller than what recognition is made for.
const SMALL_SIDE: u32 = LONGEST_SIDE / 2;
/// A picture without so many pixels on each side holds no letter.
const LEAST_SIDE: u32 = 4;

/// Grey pixels, line by line, one byte each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixels: Vec<u8>,
    /// Width and height of what it was scaled from, as that is to be shown.
    pub(super) shown: (u32, u32),
}

impl Picture {
    /// What a picture of this size has at most.
    pub(super) const MOST_PIXELS: u64 = LONGEST_SIDE as u64 * LONGEST_SIDE as u64;

    /// Whether there are as many pixels as the sides say.
    pub(super) fn is_whole(&self) -> bool {
        let wanted = u64::from(self.width) * u64::from(self.height);
        let shown = u64::from(self.shown.0) * u64::from(self.shown.1);
        wanted > 0 && wanted <= Self::MOST_PIXELS && self.pixels.len() as u64 == wanted && shown > 0
    }

    /// The same, turned clockwise by a quarter.
    pub(super) fn turned(&self) -> Self {
        let (width, height) = (self.width as usize, self.height as usize);
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for x in 0..width {
            pixels.extend((0..height).rev().filter_map(|y| self.pixels.get(y * width + x)));
        }
        let shown = (self.shown.1, self.shown.0);
        Self { width: self.height, height: self.width, pixels, shown }
    }

    /// The picture as a file of the simplest format that there is (PGM).
    pub(super) fn to_pgm(&self) -> Vec<u8> {
        let mut file = format!("P5 {} {} 255\n", self.width, self.height).into_bytes();
        file.extend_from_slice(&self.pixels);
        file
    }
}

/// Decodes a picture; of a moving one its first frame.
pub(super) fn read(
    bytes: &[u8],
    kind: SourceKind,
    limits: &Limits,
) -> Result<Picture, ParseFailure> {
    let format = match kind {
        SourceKind::Png => ImageFormat::Png,
        SourceKind::Jpeg => ImageFormat::Jpeg,
        SourceKind::Webp => ImageFormat::WebP,
        SourceKind::Tiff => ImageFormat::Tiff,
        SourceKind::Bmp => ImageFormat::Bmp,
        SourceKind::Gif => ImageFormat::Gif,
        _ => return Err(FailureCode::UnsupportedType.into()),
    };
    let image = decode(bytes, format, limits)?;
    let grey = grey(image);
    let shown @ (width, height) = grey.dimensions();
    if width < LEAST_SIDE || height < LEAST_SIDE {
        return Err(no_text());
    }
    let grey = scaled(grey);
    let (width, height) = grey.dimensions();
    Ok(Picture { width, height, pixels: grey.into_raw(), shown })
}

/// What to say of a picture without words.
pub(super) fn no_text() -> ParseFailure {
    ParseFailure::new(FailureCode::NoText).with_message(
        "No text was found in the image. If there is some, upload a sharper or larger picture of it.",
    )
}

fn decode(
    bytes: &[u8],
    format: ImageFormat,
    limits: &Limits,
) -> Result<DynamicImage, ParseFailure> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Half of what the process may have: the rest is for the file, and the grey picture.
    let allowed = limits.memory_bytes / 2;
    let mut most = image::Limits::default();
    most.max_alloc = Some(allowed);
    reader.limits(most);
    let mut decoder = reader.into_decoder().map_err(failure)?;
    let (width, height) = decoder.dimensions();
    // The sides are what the file says: they are looked at before anything is allocated for them.
    if u64::from(width) * u64::from(height) > limits.pixels || decoder.total_bytes() > allowed {
        return Err(too_large().with_detail(format!("{width} x {height}")));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(failure)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn too_large() -> ParseFailure {
    ParseFailure::new(FailureCode::TooLarge).with_message(
        "The image has more pixels than may be read. Save it smaller and upload it again.",
    )
}

fn failure(error: ImageError) -> ParseFailure {
    match error {
        ImageError::Limits(error) => too_large().with_detail(error),
        ImageError::Unsupported(error) => {
            ParseFailure::new(FailureCode::UnsupportedType).with_detail(error).with_message(
                "Images of this variant of their format cannot be read. Save it as PNG or JPEG.",
            )
        }
        error => ParseFailure::damaged(error),
    }
}

/// Without colours; what can be seen through lies on white paper.
fn grey(image: DynamicImage) -> GrayImage {
    if !image.color().has_alpha() {
        return image.into_luma8();
    }
    let seen = image.into_luma_alpha8();
    GrayImage::from_fn(seen.width(), seen.height(), |x, y| {
        let [luma, alpha] = seen.get_pixel(x, y).0;
        let (luma, alpha) = (u16::from(luma), u16::from(alpha));
        let mixed = (luma * alpha + 255 * (255 - alpha)) / 255;
        image::Luma([u8::try_from(mixed).unwrap_or(u8::MAX)])
    })
}

fn scaled(grey: GrayImage) -> GrayImage {
    let (width, height) = grey.dimensions();
    let longest = width.max(height);
    if longest <= SMALL_SIDE {
        return imageops::resize(&grey, width * 2, height * 2, FilterType::CatmullRom);
    }
    if longest <= LONGEST_SIDE {
        return grey;
    }
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(LONGEST_SIDE) / u64::from(longest);
        u32::try_from(scaled).unwrap_or(LONGEST_SIDE).clamp(1, LONGEST_SIDE)
    };
    imageops::resize(&grey, side(width), side(height), FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, LumaA};

    use super::*;

    fn png(image: &DynamicImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn read_png(image: &DynamicImage) -> Picture {
        let picture = read(&png(image), SourceKind::Png, &Limits::default()).unwrap();
        assert!(picture.is_whole());
        picture
    }

    #[test]
    fn a2_large_pictures_are_scaled_and_small_ones_doubled() {
        let of = |width, height| DynamicImage::ImageLuma8(GrayImage::new(width, height));
        let size = |image: &DynamicImage| {
            let picture = read_png(image);
            (picture.width, picture.height)
        };
        assert_eq!(size(&of(4_000, 1_000)), (1_920, 480));
        assert_eq!(size(&of(500, 3_000)), (320, 1_920));
        assert_eq!(size(&of(1_500, 1_920)), (1_500, 1_920));
        assert_eq!(size(&of(300, 960)), (600, 1_920));
        // A line too thin for its height to remain.
        assert_eq!(size(&of(20_000, 4)), (1_920, 1));
    }

    #[test]
    fn four_quarters_are_a_turn() {
        let of = |width, height, pixels| Picture { width, height, pixels, shown: (width, height) };
        let picture = of(3, 2, vec![1, 2, 3, 4, 5, 6]);
        let turned = picture.turned();
        assert_eq!(turned, of(2, 3, vec![4, 1, 5, 2, 6, 3]));
        assert_eq!(turned.turned().turned().turned(), picture);
    }

    #[test]
    fn what_can_be_seen_through_is_white() {
        let seen = ImageBuffer::from_fn(1_000, 4, |x, _| LumaA([0, if x < 500 { 0 } else { 255 }]));
        let picture = read_png(&DynamicImage::ImageLumaA8(seen));
        assert_eq!(picture.pixels.first(), Some(&255));
        assert_eq!(picture.pixels.last(), Some(&0));
    }

    /// U27: the sides are looked at before memory is taken for them.
    #[test]
    fn u27_pictures_that_say_they_are_huge() {
        let wide = DynamicImage::ImageLuma8(GrayImage::from_pixel(8_000, 7_000, Luma([9])));
        let failure = read(&png(&wide), SourceKind::Png, &Limits::default()).unwrap_err();
        assert_eq!(failure.code, FailureCode::TooLarge);
        let limits = Limits { pixels: 56_000_000, ..Limits::default() };
        assert!(read(&png(&wide), SourceKind::Png, &limits).unwrap().is_whole());
    }

    #[test]
    fn pictures_cut_short_are_damaged() {
        let whole = png(&DynamicImage::ImageLuma8(GrayImage::from_fn(100, 100, |x, y| {
            Luma([(x * y % 251) as u8])
        })));
        for length in [8, 20, 60, whole.len() / 2] {
            let cut = whole.get(..length).unwrap();
            let failure = read(cut, SourceKind::Png, &Limits::default()).unwrap_err();
            assert_eq!(failure.code, FailureCode::Damaged, "{length}");
        }
    }
}
