//! The public method table, and what a change of a trait does to its fingerprint.

use autod::service::{Kind, Policy, Service, Table};

/// One service after the other under one name, each in a module of its own.
macro_rules! service {
    ($module:ident { $($item:tt)* }) => {
        mod $module {
            #[allow(unused_imports, reason = "some have no stream")]
            use futures::Stream;

            #[allow(dead_code, reason = "only the table is looked at")]
            #[autod::service]
            $($item)*
        }
    };
}

service!(base {
    /// A total.
    pub(super) trait Counter {
        /// Adds.
        async fn add(&self, n: i64) -> i64;
        fn watch(&self, every: u8) -> impl Stream<Item = i64>;
    }
});
service!(told_otherwise {
    /// The same in other words, other names and another order.
    pub(super) trait Counter {
        fn watch(&self, step: u8) -> impl Stream<Item = i64>;
        /// Adds `by` to the total.
        #[autod(idempotent)]
        async fn add(&self, by: i64) -> i64 {
            by
        }
    }
});
service!(renamed_in_rust {
    pub(super) trait Counter {
        #[autod(rename = "add")]
        async fn plus(&self, n: i64) -> i64;
        #[autod(drop_oldest = 4)]
        fn watch(&self, every: u8) -> impl Stream<Item = i64>;
    }
});
service!(without_one {
    pub(super) trait Counter {
        async fn add(&self, n: i64) -> i64;
    }
});
service!(with_one_more {
    pub(super) trait Counter {
        async fn add(&self, n: i64) -> i64;
        fn watch(&self, every: u8) -> impl Stream<Item = i64>;
        async fn get(&self) -> i64;
    }
});
service!(other_argument {
    pub(super) trait Counter {
        async fn add(&self, n: i32) -> i64;
        fn watch(&self, every: u8) -> impl Stream<Item = i64>;
    }
});
service!(one_argument_more {
    pub(super) trait Counter {
        async fn add(&self, n: i64, m: i64) -> i64;
        fn watch(&self, every: u8) -> impl Stream<Item = i64>;
    }
});
service!(other_answer {
    pub(super) trait Counter {
        async fn add(&self, n: i64) -> Option<i64>;
        fn watch(&self, every: u8) -> impl Stream<Item = i64>;
    }
});
service!(may_fail {
    pub(super) trait Counter {
        async fn add(&self, n: i64) -> Result<i64, String>;
        fn watch(&self, every: u8) -> impl Stream<Item = i64>;
    }
});
service!(no_stream {
    pub(super) trait Counter {
        async fn add(&self, n: i64) -> i64;
        async fn watch(&self, every: u8) -> i64;
    }
});
service!(stream_may_fail {
    pub(super) trait Counter {
        async fn add(&self, n: i64) -> i64;
        async fn watch(&self, every: u8) -> Result<impl Stream<Item = i64>, String>;
    }
});
service!(stream_goes_up {
    pub(super) trait Counter {
        async fn add(&self, n: impl Stream<Item = i64>) -> i64;
        fn watch(&self, every: u8) -> impl Stream<Item = i64>;
    }
});
service!(bytes {
    pub(super) trait Counter {
        async fn add(&self, n: i64, bytes: autod::ByteStream) -> i64;
        fn watch(&self, every: u8) -> impl Stream<Item = i64>;
    }
});
service!(other_name {
    pub(super) trait Counter {
        #[autod(rename = "plus")]
        async fn add(&self, n: i64) -> i64;
        fn watch(&self, every: u8) -> impl Stream<Item = i64>;
    }
});
service!(other_service {
    pub(super) trait Meter {
        async fn add(&self, n: i64) -> i64;
        fn watch(&self, every: u8) -> impl Stream<Item = i64>;
    }
});

const BASE: &Table = <base::CounterClient as Service>::TABLE;

#[test]
fn what_is_not_on_the_wire_does_not_change_the_fingerprint() {
    for table in
        [<told_otherwise::CounterClient as Service>::TABLE, renamed_in_rust::CounterClient::TABLE]
    {
        assert_eq!(table.fingerprint(), BASE.fingerprint(), "{table:?}");
    }
}

#[test]
fn what_breaks_the_wire_changes_the_fingerprint() {
    let changed = [
        without_one::CounterClient::TABLE,
        with_one_more::CounterClient::TABLE,
        other_argument::CounterClient::TABLE,
        one_argument_more::CounterClient::TABLE,
        other_answer::CounterClient::TABLE,
        may_fail::CounterClient::TABLE,
        no_stream::CounterClient::TABLE,
        stream_may_fail::CounterClient::TABLE,
        stream_goes_up::CounterClient::TABLE,
        bytes::CounterClient::TABLE,
        other_name::CounterClient::TABLE,
        other_service::MeterClient::TABLE,
    ];
    let fingerprints: std::collections::BTreeSet<_> =
        changed.iter().chain([&BASE]).map(|table| table.fingerprint()).collect();
    assert_eq!(fingerprints.len(), changed.len() + 1);
}

#[test]
fn the_table_says_what_is_written() {
    assert_eq!((BASE.name, BASE.docs), ("Counter", "A total."));
    let [add, watch] = BASE.methods else { panic!("{BASE:?}") };
    assert_eq!((add.name, add.kind, add.docs), ("add", Kind::Unary, "Adds."));
    assert_eq!((add.arguments[0].name, add.arguments[0].ty), ("n", "i64"));
    assert_eq!((add.output, add.error), ("i64", None));
    assert_eq!((watch.kind, watch.policy), (Kind::Stream, Policy::BackPressure));
    let newest = renamed_in_rust::CounterClient::TABLE.methods[1];
    assert_eq!(newest.policy, Policy::DropOldest(4));
    assert!(told_otherwise::CounterClient::TABLE.methods[1].idempotent);
}
