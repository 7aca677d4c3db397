//! `bounded_buffer` as a user runs it. No test looks at times.

use std::process::Command;

#[test]
fn the_producer_is_as_far_ahead_as_the_buffer_is_large_and_then_waits() {
    let run = Command::new(env!("CARGO_BIN_EXE_bounded_buffer")).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let text = String::from_utf8(run.stdout).unwrap();
    let (mut made, mut took, mut most) = (0, 0, 0);
    for line in text.lines() {
        let n: u32 = line.split_whitespace().last().unwrap().parse().unwrap();
        if line.contains("made") {
            made += 1;
            assert_eq!(n, made, "{text}");
        } else {
            took += 1;
            assert_eq!(n, took, "{text}");
        }
        most = most.max(made - took);
    }
    assert_eq!((made, took), (12, 12), "{text}");
    // Five wait, and one may be on its way to the consumer, which has not said so yet.
    assert!(most == 5 || most == 6, "{most} ahead:\n{text}");
}
