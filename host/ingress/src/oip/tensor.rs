//! Tensors between JSON `data` lists and bytes.

mod read;
mod write;

pub(crate) use read::read_data;
pub(crate) use write::push_data;
