//! Whether a graph has the names, types and shapes that its manifest says; a difference is named.

use ort::session::Session;
use ort::value::{Outlet, TensorElementType};

use super::error::InferError;
use super::manifest::Manifest;
use super::manifest_graph::Batch;
use crate::prepare::Dtype;

/// Holds the names, types and shapes of a session against the manifest.
pub(super) fn check_session(session: &Session, manifest: &Manifest) -> Result<(), InferError> {
    let names =
        |outlets: &[Outlet]| outlets.iter().map(|o| o.name().to_owned()).collect::<Vec<_>>().join(", ");
    let slots = manifest.slots();
    let there = |name: &str| session.inputs().iter().any(|input| input.name() == name);
    if session.inputs().len() != slots.len() || !slots.iter().all(|slot| there(slot.name)) {
        return Err(InferError::Mismatch {
            what: if slots.len() == 1 { "the input's name" } else { "the names of the inputs" },
            expected: slots.iter().map(|slot| slot.name).collect::<Vec<_>>().join(", "),
            found: names(session.inputs()),
        });
    }
    let rows: i64 = match manifest.graph.batch {
        Batch::Fixed(size) => i64::try_from(size).unwrap_or(i64::MAX),
        Batch::Dynamic { .. } => -1,
    };
    for input in session.inputs() {
        let Some(slot) = slots.iter().find(|slot| slot.name == input.name()) else { continue };
        let [_, a, b, c] = slot.spec.shape().map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let types: &[TensorElementType] = match slot.spec.dtype {
            Dtype::F32 => &[TensorElementType::Float32],
            Dtype::F16 => &[TensorElementType::Float16],
        };
        check_outlet(input, types, ("the input's type", "the input's shape"), &[rows, a, b, c])?;
    }
    let output = |name: &str, what: &'static str| {
        session.outputs().iter().find(|o| o.name() == name).ok_or_else(|| InferError::Mismatch {
            what,
            expected: name.to_owned(),
            found: names(session.outputs()),
        })
    };
    // What the model says may be of either precision, whatever it is fed.
    let either = &[TensorElementType::Float32, TensorElementType::Float16];
    for (name, count) in manifest.labels_by_output() {
        let scores = output(name, "the name of the score output")?;
        let labels = i64::try_from(count).unwrap_or(i64::MAX);
        let what = ("the type of the score output", "the number of labels");
        check_outlet(scores, either, what, &[rows, labels])?;
    }
    let labels = i64::try_from(manifest.labels.len()).unwrap_or(i64::MAX);
    for name in slots.iter().filter_map(|slot| slot.map) {
        let map = output(name, "the name of the map output")?;
        let channels = map.dtype().tensor_shape().and_then(|s| s.get(1).copied());
        let channels = if channels == Some(1) { 1 } else { labels };
        let what = ("the type of the map output", "the shape of the map output");
        check_outlet(map, either, what, &[rows, channels, -1, -1])?;
    }
    if let Some(limit) = &manifest.out_of_distribution {
        let distance = output(&limit.output, "the name of the distance output")?;
        let axes = distance.dtype().tensor_shape().map_or(1, |shape| shape.len());
        let expected: &[i64] = if axes == 2 { &[rows, 1] } else { &[rows] };
        let what = ("the type of the distance output", "the shape of the distance output");
        check_outlet(distance, either, what, expected)?;
    }
    Ok(())
}

/// An axis that the graph leaves open (-1) fits any number; a dynamic batch (expected -1) fits only an open axis,
/// on the first place, and any number elsewhere.
fn check_outlet(
    outlet: &Outlet,
    types: &[TensorElementType],
    (type_of, shape_of): (&'static str, &'static str),
    expected: &[i64],
) -> Result<(), InferError> {
    let found_type = outlet.dtype().tensor_type();
    if !found_type.is_some_and(|found| types.contains(&found)) {
        let found = found_type.map_or_else(|| "no tensor".to_owned(), |t| t.to_string());
        let expected = types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        return Err(InferError::Mismatch { what: type_of, expected, found });
    }
    let found: &[i64] = outlet.dtype().tensor_shape().map_or(&[], |shape| shape);
    let fits = |place: usize, expected: i64, found: i64| {
        found == expected || (found == -1 && expected != -1) || (expected == -1 && place > 0)
    };
    let agrees = found.len() == expected.len()
        && expected.iter().zip(found).enumerate().all(|(place, (e, f))| fits(place, *e, *f));
    if agrees {
        Ok(())
    } else {
        Err(InferError::Mismatch { what: shape_of, expected: shape_text(expected), found: shape_text(found) })
    }
}

fn shape_text(shape: &[i64]) -> String {
    let axes: Vec<String> =
        shape.iter().map(|d| if *d < 0 { "any".to_owned() } else { d.to_string() }).collect();
    format!("[{}]", axes.join(", "))
}
