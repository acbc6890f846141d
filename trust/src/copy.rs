//! Copying that cannot panic.
//!
//! A chip's build looks at size alone, and does not inline `copy_from_slice`: its check of the
//! lengths would be a panic site, even where they are constants.

/// Copies `from` to the beginning of `to`, as far as both reach; callers pass slices of one length.
#[inline(never)]
pub fn copy<T: Copy>(to: &mut [T], from: &[T]) {
    debug_assert_eq!(to.len(), from.len());
    to.iter_mut().zip(from).for_each(|(place, value)| *place = *value);
}

/// Copies the parts, one after another, as far as they and `to` reach.
#[inline(never)]
pub fn join(to: &mut [u8], parts: &[&[u8]]) {
    let bytes = parts.iter().flat_map(|part| part.iter());
    to.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_one_after_another_and_nothing_beyond_the_place() {
        let mut place = [0; 5];
        join(&mut place, &[&[1, 2], &[], &[3]]);
        assert_eq!(place, [1, 2, 3, 0, 0]);
        join(&mut place[1..4], &[&[7], &[8, 9, 10, 11]]);
        assert_eq!(place, [1, 7, 8, 9, 0]);
        copy(&mut place[2..], &[4, 5, 6]);
        assert_eq!(place, [1, 7, 4, 5, 6]);
    }
}
