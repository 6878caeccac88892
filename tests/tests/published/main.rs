//! The published log wherever it is served from: by the node, by a plain file server over its folder,
//! and from a copy in an object store.

mod copies;
mod failing;
mod files;
mod folder;
mod live;
