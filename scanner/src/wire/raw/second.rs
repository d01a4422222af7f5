//! A second thread that sends. What the kernel does with a frame on its way is most of a scan's work, and on many roads
//! it does all of it inside the call that sends: with two threads two cores do it.
//!
//! It only sends. What is refused goes back to the loop, which knows what that means.

use std::{
    num::NonZeroUsize,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle, available_parallelism},
};

use rustix::fd::OwnedFd;

use super::card::{Frames, Sent, send};

/// Somebody else who sends through a socket. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Second {
    orders: Option<SyncSender<Frames>>,
    done: Receiver<(Frames, usize)>,
    thread: Option<JoinHandle<()>>,
}

impl Second {
    /// None where there is one core, or no thread to be had.
    pub(super) fn beside(socket: OwnedFd) -> Option<Self> {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        if cores > 1 { Self::start(socket) } else { None }
    }

    fn start(socket: OwnedFd) -> Option<Self> {
        let (orders, ordered) = sync_channel::<Frames>(1);
        let (tell, done) = sync_channel(1);
        let sending = move || {
            for frames in ordered {
                let mut sent = 0;
                while sent < frames.len() {
                    match send(&socket, &frames, sent) {
                        Sent::Frames(count) => sent += count,
                        Sent::Refused | Sent::Gone => break,
                    }
                }
                if tell.send((frames, sent)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("sender".to_owned())
            .spawn(sending)
            .ok()?;
        Some(Self {
            orders: Some(orders),
            done,
            thread: Some(thread),
        })
    }

    /// Hands frames over; gives them back where that is not possible.
    pub(super) fn begin(&self, frames: Frames) -> Result<(), Frames> {
        match &self.orders {
            Some(orders) => orders.send(frames).map_err(|refused| refused.0),
            None => Err(frames),
        }
    }

    /// Waits until they are sent, or one of them was refused; gives them back, with how many went out.
    pub(super) fn end(&self) -> Option<(Frames, usize)> {
        self.done.recv().ok()
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // Whether it panicked makes no difference any more.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vedette_sys::packet;

    const LOOPBACK: u32 = 1;

    fn frames(count: usize) -> Frames {
        let mut frames = Frames::default();
        for _ in 0..count {
            // An Ethernet type for experiments (IEEE 802, section 9.2.4), which nobody answers.
            frames.push(&[&[0; 12], &[0x88, 0xb5][..], &[0; 44]].concat());
        }
        frames
    }

    #[test]
    fn what_is_handed_over_is_sent_and_comes_back() {
        let socket = packet::open().unwrap();
        packet::bind(&socket, LOOPBACK, 0).unwrap();
        let second = Second::start(socket).unwrap();
        for count in [1, 300] {
            second.begin(frames(count)).unwrap();
            let (back, sent) = second.end().unwrap();
            assert_eq!((back.len(), sent), (count, count));
        }
    }

    #[test]
    fn what_is_refused_comes_back_unsent_and_the_next_is_tried_again() {
        let socket = packet::open().unwrap();
        let bound = socket.try_clone().unwrap();
        let second = Second::start(socket).unwrap();
        second.begin(frames(300)).unwrap();
        let (back, sent) = second.end().unwrap();
        assert_eq!((back.len(), sent), (300, 0), "bound to no adapter");
        packet::bind(&bound, LOOPBACK, 0).unwrap();
        second.begin(back).unwrap();
        assert_eq!(second.end().unwrap().1, 300);
    }
}
