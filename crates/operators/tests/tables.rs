//! Tables with a row for each source, for each end, for what each operator asks for, and for each
//! defect that others had.

mod eager;
mod support;

mod demand;
mod ends;
mod known_bugs;
mod sources;
