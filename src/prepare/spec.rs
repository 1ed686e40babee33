//! What a model wants to be fed: part of its manifest, and the id under which the preparation is known.
//!
//! In: the `[input]` table of a manifest. Out: a checked [`InputSpec`].
//! Must never hold a default that changes numbers silently: whatever shapes the tensor is written out.

/// The input of a model, and how an image becomes it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Id and version of the preparation, such as `cxr-128-v1`; stored with every result.
    pub preprocessing: String,
    /// Columns of the tensor.
    pub width: u32,
    /// Rows of the tensor.
    pub height: u32,
    /// 1, or 3 (the grey image three times, each channel normalised by its own numbers).
    #[serde(default = "one")]
    pub channels: u32,
    /// Order of the axes.
    #[serde(default)]
    pub layout: Layout,
    /// Element type of the tensor.
    #[serde(default)]
    pub dtype: Dtype,
    /// What black and white become.
    pub range: ValueRange,
    /// Filter of the resize.
    pub resize: ResizeFilter,
    /// What happens to an image of another shape than the input's.
    pub aspect: AspectRule,
    /// Which way round the grey scale runs.
    #[serde(default)]
    pub photometric: PhotometricRule,
    /// Which stored values become black and white.
    pub windowing: WindowingRule,
    /// Where set, a JPEG 2000 image is decoded without its finest wavelet levels as long as the smaller image
    /// is still at least this many times the input in both directions. Absent: always decoded in full.
    #[serde(default)]
    pub min_oversampling: Option<f32>,
}

fn one() -> u32 {
    1
}

/// Order of the tensor's axes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Batch, channel, row, column.
    #[default]
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// Element type of the tensor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// IEEE 754 single precision.
    #[default]
    F32,
    /// Half precision; prepared in single precision and rounded before the graph.
    F16,
}

/// What black (0) and white (1) become.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueRange {
    /// 0 to 1.
    Unit,
    /// 0 to 255, not rounded.
    Byte,
    /// 0 to 1, then less the mean and divided by the standard deviation: one number per channel.
    MeanStd {
        /// One per channel.
        mean: Vec<f32>,
        /// One per channel, none of them zero.
        std: Vec<f32>,
    },
}

/// A resize filter by name. All but `nearest` and `bilinear` widen with the reduction, so that nothing aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeFilter {
    /// Mean over the area that a pixel covers (OpenCV `INTER_AREA` when shrinking).
    Area,
    /// Triangle that widens with the reduction (Pillow `BILINEAR`).
    Triangle,
    /// Lanczos of three lobes that widens with the reduction (Pillow `LANCZOS`).
    Lanczos3,
    /// Two by two pixels whatever the reduction (OpenCV `INTER_LINEAR`).
    Bilinear,
    /// The pixel at the centre.
    Nearest,
}

/// What happens to an image of another shape than the input's.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AspectRule {
    /// The whole image, each axis with its own scale.
    Stretch,
    /// The whole image at one scale, centred, the rest filled.
    Letterbox {
        /// Grey of the fill, 0 (black) to 1 (white), before the range is applied.
        pad: f32,
    },
    /// The largest centred part of the input's shape.
    CentreCrop,
}

/// Which way round the grey scale runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhotometricRule {
    /// Bright is dense: MONOCHROME1 is turned round (PS3.3 C.7.6.3.1.2).
    #[default]
    BrightIsDense,
    /// Dense is dark: MONOCHROME2 is turned round.
    DarkIsDense,
}

/// Which values become black and white.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowingRule {
    /// The object's own VOI LUT or window, as a viewer would show it; the full range where it has none.
    Voi,
    /// From one percentile of the image (padding left out) to another, linear between.
    MinMaxPercentile {
        /// Becomes black; 0 to 100.
        low: f32,
        /// Becomes white; 0 to 100, above `low`.
        high: f32,
    },
    /// The whole range that Bits Stored can hold, whatever the object says.
    FullRange,
}

/// Why a specification can't be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("input {field}: {problem}")]
pub struct InvalidSpec {
    /// Which field of the manifest.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl InputSpec {
    /// Largest side of a tensor that is served, in pixels.
    pub const MAX_SIDE: u32 = 8192;

    /// Checks what the types can't: sizes, channels, numbers per channel, percentiles.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        let bad = |field, problem| Err(InvalidSpec { field, problem });
        if self.preprocessing.trim().is_empty() {
            return bad("preprocessing", "is empty");
        }
        if !(1..=Self::MAX_SIDE).contains(&self.width) || !(1..=Self::MAX_SIDE).contains(&self.height) {
            return bad("width, height", "not between 1 and 8192");
        }
        if self.channels != 1 && self.channels != 3 {
            return bad("channels", "neither 1 nor 3");
        }
        if let ValueRange::MeanStd { mean, std } = &self.range {
            let channels = self.channels as usize;
            if mean.len() != channels || std.len() != channels {
                return bad("range", "needs one mean and one std per channel");
            }
            if mean.iter().any(|m| !m.is_finite()) || std.iter().any(|s| !s.is_finite() || *s <= 0.0) {
                return bad("range", "a mean that is no number, or a std that is not above zero");
            }
        }
        if let AspectRule::Letterbox { pad } = self.aspect
            && !(0.0..=1.0).contains(&pad)
        {
            return bad("aspect", "pad is not between 0 and 1");
        }
        if let WindowingRule::MinMaxPercentile { low, high } = self.windowing
            && !(0.0 <= low && low < high && high <= 100.0)
        {
            return bad("windowing", "percentiles are not 0 <= low < high <= 100");
        }
        if self.min_oversampling.is_some_and(|m| !(1.0..=64.0).contains(&m)) {
            return bad("min_oversampling", "not between 1 and 64");
        }
        Ok(())
    }

    /// Shape of the tensor, batch of one, in the order of the layout.
    pub fn shape(&self) -> [usize; 4] {
        let (channels, height, width) = (self.channels as usize, self.height as usize, self.width as usize);
        match self.layout {
            Layout::Nchw => [1, channels, height, width],
            Layout::Nhwc => [1, height, width, channels],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> InputSpec {
        toml::from_str(text).expect("a specification")
    }

    #[test]
    fn a_specification_reads_from_a_manifest_in_few_lines() {
        let short = spec(
            "preprocessing = 'cxr-128-v1'\nwidth = 128\nheight = 128\nrange = 'byte'\nresize = 'area'\n\
             aspect = 'stretch'\nwindowing = 'voi'",
        );
        assert_eq!(short.check(), Ok(()));
        assert_eq!(short.shape(), [1, 1, 128, 128]);
        let long = spec(
            "preprocessing = 'cxr-224-v1'\nwidth = 224\nheight = 224\nchannels = 3\nlayout = 'nhwc'\n\
             range = { mean_std = { mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225] } }\n\
             resize = 'triangle'\naspect = { letterbox = { pad = 0.0 } }\n\
             windowing = { min_max_percentile = { low = 0.5, high = 99.5 } }\nmin_oversampling = 2.0",
        );
        assert_eq!(long.check(), Ok(()));
        assert_eq!(long.shape(), [1, 224, 224, 3]);
    }

    #[test]
    fn a_specification_that_makes_no_sense_is_refused_with_its_field() {
        let good = spec(
            "preprocessing = 'x'\nwidth = 8\nheight = 8\nrange = 'unit'\nresize = 'area'\n\
             aspect = 'stretch'\nwindowing = 'voi'",
        );
        let field = |change: fn(&mut InputSpec)| {
            let mut changed = good.clone();
            change(&mut changed);
            changed.check().expect_err("must be refused").field
        };
        assert_eq!(field(|s| s.width = 0), "width, height");
        assert_eq!(field(|s| s.channels = 2), "channels");
        assert_eq!(field(|s| s.range = ValueRange::MeanStd { mean: vec![0.0], std: vec![0.0] }), "range");
        assert_eq!(
            field(|s| s.windowing = WindowingRule::MinMaxPercentile { low: 5.0, high: 5.0 }),
            "windowing"
        );
    }
}
