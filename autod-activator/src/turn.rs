//! Turns: a connection that always has bytes to carry lets the others go on in between.

/// What all busy connections carry together while a new client waits: less than a millisecond's worth. tokio's
/// own limit counts system calls, 128 for each connection, and one of them may move a quarter of a megabyte.
const ROUND: usize = 4 << 20;

/// What a turn is worth at least.
const LEAST: usize = 128 << 10;

/// As what a move counts at least: many small ones take their time too.
const SMALL: usize = 8 << 10;

/// How much of a turn is over.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    moved: usize,
}

impl Turn {
    /// To be called after each move of so many bytes, while none are on their way: it may be the end of the
    /// turn. `busy` connections share a round.
    pub(crate) async fn moved(&mut self, bytes: usize, busy: usize) {
        self.moved = self.moved.saturating_add(bytes.max(SMALL));
        if self.moved >= (ROUND / busy.max(1)).max(LEAST) {
            self.moved = 0;
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const MOVES: usize = 10_000;

    /// How many moves fit between two turns of somebody else.
    async fn moves(bytes: usize, busy: usize) -> usize {
        let turns = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let mut turn = Turn::default();
        for _ in 0..MOVES {
            turn.moved(bytes, busy).await;
        }
        other.abort();
        MOVES / turns.load(Ordering::Relaxed).max(1)
    }

    #[tokio::test]
    async fn busy_connections_share_a_round() {
        assert_eq!(moves(256 << 10, 1).await, 16);
        assert_eq!(moves(256 << 10, 4).await, 4);
        assert_eq!(moves(256 << 10, 32).await, 1);
        assert_eq!(moves(32 << 10, 1000).await, 4);
        assert_eq!(moves(usize::MAX, 0).await, 1);
    }

    #[tokio::test]
    async fn many_small_moves_end_a_turn_too() {
        for bytes in [1, 8 << 10] {
            assert!((400..=600).contains(&moves(bytes, 1).await), "{bytes}");
        }
    }
}
