//! How an item becomes bytes, and bytes an item.

use std::error::Error;
use std::fmt;
use std::str::Utf8Error;

/// What an encoder or decoder says when it cannot.
pub type CodecError = Box<dyn Error + Send + Sync>;

/// Makes bytes of items. A closure is one:
///
/// ```
/// use millstream_wire::{CodecError, Encode};
///
/// fn takes(_: impl Encode<u32>) {}
/// takes(|n: &u32, into: &mut Vec<u8>| {
///     into.extend_from_slice(&n.to_be_bytes());
///     Ok::<(), CodecError>(())
/// });
/// takes(|n: &u32, into: &mut Vec<u8>| serde_json::to_writer(into, n));
/// ```
pub trait Encode<T>: Send + 'static {
    /// Appends `item` to `into`, which is empty.
    ///
    /// # Errors
    /// Where it cannot be encoded. The stream ends, and both sides are told.
    fn encode(&mut self, item: &T, into: &mut Vec<u8>) -> Result<(), CodecError>;
}

/// Makes items of bytes. A closure is one:
///
/// ```
/// use millstream_wire::Decode;
///
/// fn takes(_: impl Decode<Item = u32>) {}
/// takes(|bytes: &[u8]| bytes.try_into().map(u32::from_be_bytes));
/// takes(|bytes: &[u8]| serde_json::from_slice::<u32>(bytes));
/// ```
pub trait Decode: Send + 'static {
    /// What comes of them.
    type Item: Send + 'static;

    /// The item that these bytes are.
    ///
    /// # Errors
    /// Where they are none. The stream fails, and both sides are told.
    fn decode(&mut self, bytes: &[u8]) -> Result<Self::Item, CodecError>;
}

impl<F, T, E> Encode<T> for F
where
    F: FnMut(&T, &mut Vec<u8>) -> Result<(), E> + Send + 'static,
    E: Into<CodecError>,
{
    fn encode(&mut self, item: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        self(item, into).map_err(Into::into)
    }
}

impl<F, T, E> Decode for F
where
    F: FnMut(&[u8]) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Into<CodecError>,
{
    type Item = T;

    fn decode(&mut self, bytes: &[u8]) -> Result<T, CodecError> {
        self(bytes).map_err(Into::into)
    }
}

/// Items that are bytes: they are sent as they are, and come as `Vec<u8>`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bytes;

impl<T: AsRef<[u8]>> Encode<T> for Bytes {
    fn encode(&mut self, item: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        into.extend_from_slice(item.as_ref());
        Ok(())
    }
}

impl Decode for Bytes {
    type Item = Vec<u8>;

    fn decode(&mut self, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(bytes.to_vec())
    }
}

/// Items as they are displayed: they come as a `String`. For errors it is what is used where nothing
/// else is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text;

impl<T: fmt::Display> Encode<T> for Text {
    fn encode(&mut self, item: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
        use std::io::Write;
        Ok(write!(into, "{item}")?)
    }
}

impl Decode for Text {
    type Item = String;

    fn decode(&mut self, bytes: &[u8]) -> Result<String, CodecError> {
        let text = std::str::from_utf8(bytes).map_err(|error: Utf8Error| error.to_string())?;
        Ok(text.to_owned())
    }
}
