//! When is an image set complete?
