//! An activation map as a heat map on the original image. Pure.
//!
//! In: one channel of a map and where input pixels lie on the original. Out: weights of a grid
//! over the original, 255 at the strongest cell. What speaks against the finding is 0.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::graph::ActivationMap;
use super::regions::Place;
use crate::vocab::{HeatMap, HeatMapMethod, Mark};

/// The heat map of one channel; none where the map has no positive cell or a number that is none.
pub(super) fn heat_map(
    map: &ActivationMap,
    channel: usize,
    method: HeatMapMethod,
    place: Place<'_>,
) -> Option<HeatMap> {
    let size = map.width * map.height;
    let values = map.values.get(channel * size..(channel + 1) * size)?;
    let peak = values.iter().copied().fold(0.0, f32::max);
    if peak <= 0.0 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    // A part of the peak between 0 and 1 times 255 fits a byte.
    let weights: Vec<u8> = values.iter().map(|v| (v.max(0.0) / peak * 255.0).round() as u8).collect();
    let mapping = place.mapping;
    let (x, y) = mapping.to_original(0.0, 0.0);
    Some(HeatMap {
        place: Mark {
            sop_instance_uid: place.image.clone(),
            frame: 1,
            x,
            y,
            width: f64::from(place.input_width) * mapping.scale_x,
            height: f64::from(place.input_height) * mapping.scale_y,
        },
        columns: u32::try_from(map.width).ok()?,
        rows: u32::try_from(map.height).ok()?,
        weights: STANDARD.encode(weights),
        method,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::PixelMapping;

    #[test]
    fn a_heat_map_lies_over_the_whole_input_with_its_letterbox_bars() {
        let mapping = PixelMapping {
            original_width: 100,
            original_height: 50,
            offset_x: 0.0,
            offset_y: -25.0,
            scale_x: 10.0,
            scale_y: 10.0,
        };
        let image = "1.2".parse().unwrap();
        let place = Place { image: &image, input_width: 10, input_height: 10, mapping: &mapping };
        let map = ActivationMap {
            channels: 2,
            height: 2,
            width: 2,
            values: vec![9.0, 9.0, 9.0, 9.0, 0.0, 2.0, 1.0, -3.0],
        };
        let heat = heat_map(&map, 1, HeatMapMethod::Activation, place).expect("a heat map");
        assert_eq!(
            (heat.place.x, heat.place.y, heat.place.width, heat.place.height),
            (0.0, -25.0, 100.0, 100.0)
        );
        assert_eq!(STANDARD.decode(heat.weights).unwrap(), [0, 255, 128, 0]);
        let dark = ActivationMap { channels: 1, height: 1, width: 2, values: vec![-1.0, 0.0] };
        assert!(heat_map(&dark, 0, HeatMapMethod::Activation, place).is_none());
        let hole = ActivationMap { channels: 1, height: 1, width: 2, values: vec![1.0, f32::NAN] };
        assert!(heat_map(&hole, 0, HeatMapMethod::Activation, place).is_none());
    }
}
