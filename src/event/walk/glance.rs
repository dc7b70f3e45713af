//! What the beginning of a large event says of the rest.

use super::wire::{Fields, fields};

/// An event of which only the beginning is at hand, and whose last field is all the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glance<'a> {
    /// Seconds since the epoch.
    pub wall_time: f64,
    /// The step.
    pub step: i64,
    /// What the rest is.
    pub rest: Rest<'a>,
}

/// The last field of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rest<'a> {
    /// A summary of one value with this tag, whose next field has this number.
    Value(&'a str, u32),
    /// Another field than a summary, by its number.
    Field(u32),
}

impl<'a> Glance<'a> {
    /// Looks at the `beginning` of an event of `len` bytes; `None` if it does not tell.
    pub fn at(beginning: &'a [u8], len: usize) -> Option<Self> {
        let mut event = fields(beginning);
        let (mut wall_time, mut step) = (0.0, 0i64);
        loop {
            match event.key().ok()? {
                (1, 1) => wall_time = f64::from_le_bytes(*event.fixed::<8>().ok()?),
                (2, 0) => step = event.varint().ok()?.cast_signed(),
                (number, 2) => {
                    if !is_all_the_rest(&mut event, beginning, len)? {
                        return None;
                    }
                    let rest = if number == 5 { value(event, beginning, len)? } else { Rest::Field(number) };
                    return Some(Self { wall_time, step, rest });
                }
                _ => return None,
            }
        }
    }
}

/// The one value of a summary that begins where `summary` stands.
fn value<'a>(mut summary: Fields<'a>, beginning: &'a [u8], len: usize) -> Option<Rest<'a>> {
    if summary.key().ok()? != (1, 2) || !is_all_the_rest(&mut summary, beginning, len)? {
        return None;
    }
    if summary.key().ok()? != (1, 2) {
        return None;
    }
    let tag = usize::try_from(summary.varint().ok()?).ok()?;
    let (tag, rest) = summary.rest.split_at_checked(tag)?;
    let (number, _) = fields(rest).key().ok()?;
    Some(Rest::Value(std::str::from_utf8(tag).ok()?, number))
}

/// Takes a length, and tells whether it reaches exactly the end of the event.
fn is_all_the_rest(at: &mut Fields<'_>, beginning: &[u8], len: usize) -> Option<bool> {
    let inside = usize::try_from(at.varint().ok()?).ok()?;
    let before = beginning.len() - at.rest.len();
    Some(before.checked_add(inside)? == len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::event::proto;

    fn image(tag: &str, values: usize) -> Vec<u8> {
        let image = proto::summary::Image { encoded_image_string: vec![7; 5000], ..Default::default() };
        let value = proto::summary::Value {
            tag: tag.to_owned(),
            value: Some(proto::summary::value::Value::Image(image)),
            ..Default::default()
        };
        let summary = proto::Summary { value: vec![value; values] };
        let what = Some(proto::event::What::Summary(summary));
        proto::Event { wall_time: 1.5, step: -3, what, ..Default::default() }.encode_to_vec()
    }

    #[test]
    fn the_beginning_of_an_image_tells_its_tag_and_that_it_is_one() {
        let event = image("a/picture", 1);
        let expected = Glance { wall_time: 1.5, step: -3, rest: Rest::Value("a/picture", 4) };
        assert_eq!(Glance::at(&event[..64], event.len()), Some(expected));
        assert_eq!(Glance::at(&event[..20], event.len()), None);
        assert_eq!(Glance::at(&event[..64], event.len() + 1), None);
        let several = image("a/picture", 2);
        assert_eq!(Glance::at(&several[..64], several.len()), None);
    }

    #[test]
    fn the_beginning_of_a_graph_tells_that_it_is_one() {
        let what = Some(proto::event::What::GraphDef(vec![1; 3000]));
        let event = proto::Event { wall_time: 2.0, what, ..Default::default() }.encode_to_vec();
        let expected = Glance { wall_time: 2.0, step: 0, rest: Rest::Field(4) };
        assert_eq!(Glance::at(&event[..32], event.len()), Some(expected));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..64), len in any::<usize>()) {
            let _ = Glance::at(&bytes, len);
        }
    }
}
