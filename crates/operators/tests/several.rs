//! Claims of what has several upstreams or downstreams, at a time or one after another.

mod eager;
mod support;

mod combine;
mod fan_out;
mod flatten;
mod group_by;
mod keyed;
mod merge_order;
mod side;
mod window;
