//! What is shown, and what keys do to it. It knows no terminal.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::board::Board;

/// So far goes a page up or down.
const PAGE: isize = 10;

#[derive(Default)]
pub(crate) struct View {
    pub(crate) board: Board,
    pub(crate) mode: Mode,
    /// What came of the last order.
    pub(crate) said: String,
    pub(crate) colours: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    List,
    /// An order waits for a yes.
    Asks(Order),
    Log(Log),
}

/// The end of a daemon, as somebody wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) socket: String,
    pub(crate) kill: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) name: String,
    pub(crate) socket: String,
    pub(crate) lines: Vec<String>,
    /// How many lines the end is below what is shown.
    pub(crate) up: usize,
}

/// What the view itself cannot do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Quit,
    End(Order),
    ReadLog,
}

impl View {
    pub(crate) fn press(&mut self, key: KeyEvent) -> Option<Action> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return (key.code == KeyCode::Char('c')).then_some(Action::Quit);
        }
        match &mut self.mode {
            Mode::List => self.press_in_list(key.code),
            Mode::Asks(order) => {
                let order = order.clone();
                self.mode = Mode::List;
                let is_meant = matches!(key.code, KeyCode::Char('y' | 'Y'));
                is_meant.then_some(Action::End(order))
            }
            Mode::Log(log) => {
                let last = log.lines.len().saturating_sub(1);
                match (key.code, way(key.code)) {
                    (KeyCode::Esc | KeyCode::Char('q' | 'l'), _) => self.mode = Mode::List,
                    (_, Some(by)) => {
                        log.up = log.up.saturating_add_signed(by.saturating_neg()).min(last);
                    }
                    _ => {}
                }
                None
            }
        }
    }

    fn press_in_list(&mut self, key: KeyCode) -> Option<Action> {
        self.said.clear();
        if let Some(by) = way(key) {
            self.board.go(by);
            return None;
        }
        if let KeyCode::Char('q') | KeyCode::Esc = key {
            return Some(Action::Quit);
        }
        let seen = &self.board.chosen()?.seen;
        let (name, socket) = (seen.name.clone(), seen.socket.clone());
        match key {
            KeyCode::Char(c @ ('s' | 'K')) => {
                self.mode = Mode::Asks(Order { name, socket, kill: c == 'K' });
                None
            }
            KeyCode::Enter | KeyCode::Char('l') => {
                self.mode = Mode::Log(Log { name, socket, lines: Vec::new(), up: 0 });
                Some(Action::ReadLog)
            }
            _ => None,
        }
    }
}

/// How far a key goes down.
fn way(key: KeyCode) -> Option<isize> {
    Some(match key {
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::PageDown => PAGE,
        KeyCode::PageUp => -PAGE,
        KeyCode::Home | KeyCode::Char('g') => isize::MIN,
        KeyCode::End | KeyCode::Char('G') => isize::MAX,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::top::board::tests::seen;

    fn view() -> View {
        let mut view = View::default();
        for name in ["a", "b"] {
            view.board.saw(seen(name, "ready", None), Instant::now());
        }
        view
    }

    fn press(view: &mut View, key: KeyCode) -> Option<Action> {
        view.press(KeyEvent::new(key, KeyModifiers::NONE))
    }

    #[test]
    fn nothing_ends_without_a_yes() {
        let mut view = view();
        press(&mut view, KeyCode::Down);
        assert_eq!(press(&mut view, KeyCode::Char('s')), None);
        let order = Order { name: "b".into(), socket: "/run/b/sock".into(), kill: false };
        assert_eq!(view.mode, Mode::Asks(order.clone()));
        assert_eq!(press(&mut view, KeyCode::Enter), None, "that is no yes");
        assert_eq!(view.mode, Mode::List);
        assert_eq!(press(&mut view, KeyCode::Char('y')), None, "and is not taken back");
        press(&mut view, KeyCode::Char('s'));
        assert_eq!(press(&mut view, KeyCode::Char('y')), Some(Action::End(order.clone())));
        press(&mut view, KeyCode::Char('K'));
        let kill = Action::End(Order { kill: true, ..order });
        assert_eq!(press(&mut view, KeyCode::Char('y')), Some(kill));
    }

    /// The one that was asked about is gone when the answer comes.
    #[test]
    fn a_yes_is_for_the_daemon_that_was_named() {
        let mut view = view();
        press(&mut view, KeyCode::Char('s'));
        view.board.saw(seen("a", "ended", None), Instant::now());
        assert_eq!(view.board.chosen().unwrap().seen.name, "b");
        let Some(Action::End(order)) = press(&mut view, KeyCode::Char('y')) else { panic!() };
        assert_eq!(order.name, "a");
    }

    #[test]
    fn a_log_is_opened_scrolled_and_left() {
        let mut view = view();
        assert_eq!(press(&mut view, KeyCode::Char('l')), Some(Action::ReadLog));
        let Mode::Log(log) = &mut view.mode else { panic!("no log") };
        assert_eq!(log.name, "a");
        log.lines = vec![String::new(); 30];
        let up = |view: &View| match &view.mode {
            Mode::Log(log) => log.up,
            _ => panic!("no log"),
        };
        for (key, place) in [
            (KeyCode::Up, 1),
            (KeyCode::PageUp, 11),
            (KeyCode::Down, 10),
            (KeyCode::Home, 29),
            (KeyCode::PageDown, 19),
            (KeyCode::End, 0),
            (KeyCode::Down, 0),
        ] {
            press(&mut view, key);
            assert_eq!(up(&view), place, "{key:?}");
        }
        assert_eq!(press(&mut view, KeyCode::Char('q')), None);
        assert_eq!(view.mode, Mode::List);
    }

    #[test]
    fn it_ends_from_everywhere() {
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        for key in ['s', 'l', 'x'] {
            let mut view = view();
            press(&mut view, KeyCode::Char(key));
            assert_eq!(view.press(control_c), Some(Action::Quit));
        }
        assert_eq!(press(&mut View::default(), KeyCode::Char('q')), Some(Action::Quit));
        // Without a daemon there is nothing to order.
        for key in [KeyCode::Char('s'), KeyCode::Enter, KeyCode::Down] {
            assert_eq!(press(&mut View::default(), key), None);
        }
    }
}
