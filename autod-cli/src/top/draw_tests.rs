use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::top::board::tests::{seen, status};
use crate::top::view::Order;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn view() -> View {
    let mut view = View::default();
    let start = Instant::now();
    view.board.saw(seen("counter", "ready", Some(status("1", 100, ms(500)))), start);
    let later = start + Duration::from_secs(1);
    view.board.saw(seen("counter", "ready", Some(status("1", 140, ms(580)))), later);
    let mut hung = seen("hangs-for-a-long-time", "hung", None);
    hung.text = Some("no answer within 1.0 s".to_owned());
    hung.help = Some("autod stop --kill ends it".to_owned());
    view.board.saw(hung, later);
    view
}

fn drawn(view: &View, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let cells: Vec<&str> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
    let width = usize::from(buffer.area.width);
    cells.chunks(width).map(|line| line.concat().trim_end().to_owned()).collect()
}

#[test]
fn a_wide_screen_has_all_columns() {
    let shown = lines(&drawn(&view(), 120, 6));
    let keys = "q quit  s stop  K kill  l log  up/down choose";
    assert_eq!(
        shown,
        [
            "  NAME                   STATE      CALLS/S  LATENCY    MEMORY  STREAMS  USERS      PID      UP  WHY",
            "> counter                ready           40   2.0 ms    20 MiB        3      2     4711    60 s  2 users",
            "  hangs-for-a-long-time  hung                                                                    no answer within 1.0 s…",
            "",
            "",
            keys,
        ]
    );
}

#[test]
fn a_narrow_screen_keeps_what_matters_most() {
    let shown = lines(&drawn(&view(), 80, 5));
    assert_eq!(
        shown[..3],
        [
            "  NAME            STATE      CALLS/S  LATENCY    MEMORY  STREAMS  USERS      PID",
            "> counter         ready           40   2.0 ms    20 MiB        3      2     4711",
            "  hangs-for-a-l…  hung",
        ]
    );
    let shown = lines(&drawn(&view(), 30, 4));
    assert_eq!(shown[..2], ["  NAME                STATE", "> counter             ready"]);
    assert_eq!(shown[3], "q quit  s stop  K kill  l log…");
}

#[test]
fn a_path_keeps_its_end() {
    let mut view = View::default();
    let path = "/run/user/1000/a-rather-long-directory/below/another/one/of-mine.sock";
    view.board.saw(seen(path, "ready", Some(status("1", 100, ms(500)))), Instant::now());
    let shown = lines(&drawn(&view, 80, 5));
    assert!(shown[1].starts_with("> …/of-mine.sock  ready"), "{shown:?}");
    let order = Order { name: path.into(), socket: "/s".into(), kill: true };
    view.mode = Mode::Asks(order);
    let question = lines(&drawn(&view, 60, 5)).pop().unwrap();
    assert_eq!(question, "kill …w/another/one/of-mine.sock? its calls are lost; y or n");
    let log = Log { name: path.into(), socket: "/s".into(), lines: Vec::new(), up: 0 };
    view.mode = Mode::Log(log);
    assert_eq!(lines(&drawn(&view, 30, 4))[0], "log of …other/one/of-mine.sock");
}

#[test]
fn no_size_is_too_small_and_the_chosen_one_is_always_there() {
    let mut view = view();
    view.board.go(1);
    for width in 1..40 {
        for height in 1..6 {
            let shown = lines(&drawn(&view, width, height));
            assert!(shown.iter().any(|line| line.starts_with('>')), "{width} {height}: {shown:?}");
        }
    }
    let log = vec!["x".to_owned(); 3];
    view.mode = Mode::Log(Log { name: "a".into(), socket: "/s".into(), lines: log, up: 2 });
    for height in 1..6 {
        drawn(&view, 1, height);
    }
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let mut view = view();
    let colours = |view: &View| {
        let buffer = drawn(view, 120, 6);
        buffer.content().iter().filter(|cell| cell.fg != Color::Reset).count()
    };
    assert_eq!(colours(&view), 0);
    view.colours = true;
    assert!(colours(&view) > 0);
    let buffer = drawn(&view, 120, 6);
    assert_eq!(buffer[(25, 1)].fg, Color::Green);
    assert_eq!(buffer[(25, 2)].fg, Color::Red);
}

#[test]
fn questions_and_answers_are_on_the_last_line() {
    let mut view = view();
    let order = Order { name: "counter".into(), socket: "/s".into(), kill: false };
    let last = |view: &View| lines(&drawn(view, 80, 5)).pop().unwrap();
    view.mode = Mode::Asks(order.clone());
    assert_eq!(last(&view), "stop counter? y or n");
    view.mode = Mode::Asks(Order { kill: true, ..order });
    assert_eq!(last(&view), "kill counter? its calls are lost; y or n");
    view.mode = Mode::List;
    view.said = "counter has ended\x1b[2J".to_owned();
    assert_eq!(last(&view), "counter has ended\u{fffd}[2J");
    assert_eq!(lines(&drawn(&View::default(), 80, 3))[1], "  no daemon runs");
}

#[test]
fn a_log_shows_its_end_and_is_full_at_its_beginning() {
    let mut view = view();
    let log = (1..=9).map(|line| format!("line {line}")).collect();
    let log = Log { name: "counter".into(), socket: "/s".into(), lines: log, up: 0 };
    for (up, first, last) in
        [(0, "line 7", "line 9"), (2, "line 5", "line 7"), (8, "line 1", "line 3")]
    {
        view.mode = Mode::Log(Log { up, ..log.clone() });
        let shown = lines(&drawn(&view, 40, 5));
        assert_eq!(shown[0], "log of counter");
        assert_eq!((shown[1].as_str(), shown[3].as_str()), (first, last));
    }
}
