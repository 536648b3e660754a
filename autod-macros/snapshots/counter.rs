/// A total that all callers share.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the service `Counter`",
    label = "an object that serves `Counter` implements the trait `Counter`"
)]
pub trait Counter: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// Adds `n` and returns the new total.
    fn add(
        &self,
        n: i64,
    ) -> impl ::core::future::Future<Output = i64> + ::core::marker::Send;
    /// The total now, and after every change.
    fn watch(&self) -> impl Stream<Item = i64> + ::core::marker::Send;
    #[cfg(feature = "division")]
    fn div(
        &self,
        a: i64,
        b: i64,
    ) -> impl ::core::future::Future<
        Output = Result<i64, String>,
    > + ::core::marker::Send;
    fn load(
        &self,
    ) -> impl ::core::future::Future<
        Output = io::Result<Vec<u8>>,
    > + ::core::marker::Send;
    fn save(
        &self,
        path: String,
    ) -> impl ::core::future::Future<Output = Result<(), String>> + ::core::marker::Send;
    fn close(&self) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send {
        async move {
            self.add(0).await;
        }
    }
}
#[allow(deprecated)]
#[automatically_derived]
impl<__T: Counter + ?::core::marker::Sized> Counter for ::std::sync::Arc<__T> {
    fn add(
        &self,
        n: i64,
    ) -> impl ::core::future::Future<Output = i64> + ::core::marker::Send {
        <__T as Counter>::add(&**self, n)
    }
    fn watch(&self) -> impl Stream<Item = i64> + ::core::marker::Send {
        <__T as Counter>::watch(&**self)
    }
    #[cfg(feature = "division")]
    fn div(
        &self,
        a: i64,
        b: i64,
    ) -> impl ::core::future::Future<
        Output = Result<i64, String>,
    > + ::core::marker::Send {
        <__T as Counter>::div(&**self, a, b)
    }
    fn load(
        &self,
    ) -> impl ::core::future::Future<
        Output = io::Result<Vec<u8>>,
    > + ::core::marker::Send {
        <__T as Counter>::load(&**self)
    }
    fn save(
        &self,
        path: String,
    ) -> impl ::core::future::Future<
        Output = Result<(), String>,
    > + ::core::marker::Send {
        <__T as Counter>::save(&**self, path)
    }
    fn close(&self) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send {
        <__T as Counter>::close(&**self)
    }
}
/// The client of [`Counter`].
///
/// A total that all callers share.
#[allow(deprecated)]
pub struct CounterClient {
    connection: ::autod::__private::Connection,
}
/// The client of [`Counter`] that blocks.
#[allow(dead_code, deprecated)]
pub struct CounterBlockingClient {
    connection: ::autod::__private::blocking::Connection,
}
#[allow(deprecated)]
const _: () = {
    const __METHOD_0: ::autod::__private::Method = ::autod::__private::Method {
        name: "add",
        id: ::autod::__private::method_id("add"),
        kind: ::autod::__private::Kind::Unary,
        arguments: &[
            ::autod::__private::Argument {
                name: "n",
                ty: "i64",
            },
        ],
        input: ::core::option::Option::None,
        output: "i64",
        error: ::core::option::Option::None,
        policy: ::autod::__private::Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "Adds `n` and returns the new total.",
    };
    const __METHOD_1: ::autod::__private::Method = ::autod::__private::Method {
        name: "watch",
        id: ::autod::__private::method_id("watch"),
        kind: ::autod::__private::Kind::Stream,
        arguments: &[],
        input: ::core::option::Option::None,
        output: "i64",
        error: ::core::option::Option::None,
        policy: ::autod::__private::Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "The total now, and after every change.",
    };
    #[cfg(feature = "division")]
    const __METHOD_2: ::autod::__private::Method = ::autod::__private::Method {
        name: "div",
        id: ::autod::__private::method_id("div"),
        kind: ::autod::__private::Kind::Unary,
        arguments: &[
            ::autod::__private::Argument {
                name: "a",
                ty: "i64",
            },
            ::autod::__private::Argument {
                name: "b",
                ty: "i64",
            },
        ],
        input: ::core::option::Option::None,
        output: "i64",
        error: ::core::option::Option::Some("String"),
        policy: ::autod::__private::Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    };
    const __METHOD_3: ::autod::__private::Method = ::autod::__private::Method {
        name: "load",
        id: ::autod::__private::method_id("load"),
        kind: ::autod::__private::Kind::Unary,
        arguments: &[],
        input: ::core::option::Option::None,
        output: "<io::Result<Vec<u8>>>::Value",
        error: ::core::option::Option::Some("<io::Result<Vec<u8>>>::Error"),
        policy: ::autod::__private::Policy::BackPressure,
        no_cancel: false,
        idempotent: true,
        docs: "",
    };
    const __METHOD_4: ::autod::__private::Method = ::autod::__private::Method {
        name: "save",
        id: ::autod::__private::method_id("save"),
        kind: ::autod::__private::Kind::Unary,
        arguments: &[
            ::autod::__private::Argument {
                name: "path",
                ty: "String",
            },
        ],
        input: ::core::option::Option::None,
        output: "()",
        error: ::core::option::Option::Some("String"),
        policy: ::autod::__private::Policy::BackPressure,
        no_cancel: true,
        idempotent: false,
        docs: "",
    };
    const __METHOD_5: ::autod::__private::Method = ::autod::__private::Method {
        name: "quit",
        id: ::autod::__private::method_id("quit"),
        kind: ::autod::__private::Kind::Unary,
        arguments: &[],
        input: ::core::option::Option::None,
        output: "()",
        error: ::core::option::Option::None,
        policy: ::autod::__private::Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    };
    const __TABLE: ::autod::__private::Table = ::autod::__private::Table::new(
        "Counter",
        "A total that all callers share.",
        &[
            __METHOD_0,
            __METHOD_1,
            #[cfg(feature = "division")]
            __METHOD_2,
            __METHOD_3,
            __METHOD_4,
            __METHOD_5,
        ],
    );
    const _: () = ::autod::__private::assert_distinct(__TABLE.methods);
    #[automatically_derived]
    impl ::autod::__private::Service for CounterClient {
        const TABLE: &'static ::autod::__private::Table = &__TABLE;
    }
    #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]
    impl CounterClient {
        /// Adds `n` and returns the new total.
        pub fn add(&self, n: i64) -> ::autod::Call<i64> {
            ::autod::__private::call(
                &self.connection,
                &__METHOD_0,
                (n,),
                ::autod::__private::Upstream::NONE,
            )
        }
        /// The total now, and after every change.
        pub fn watch(&self) -> ::autod::Incoming<i64> {
            ::autod::__private::open(
                &self.connection,
                &__METHOD_1,
                (),
                ::autod::__private::Upstream::NONE,
            )
        }
        #[cfg(feature = "division")]
        /// Calls [`Counter::div`].
        pub fn div(
            &self,
            a: i64,
            b: i64,
        ) -> ::autod::Call<i64, ::autod::CallError<String>> {
            ::autod::__private::call_fallible(
                &self.connection,
                &__METHOD_2,
                (a, b),
                ::autod::__private::Upstream::NONE,
            )
        }
        /// Calls [`Counter::load`].
        pub fn load(
            &self,
        ) -> ::autod::Call<
            <io::Result<Vec<u8>> as ::autod::__private::Fallible>::Value,
            ::autod::CallError<
                <io::Result<Vec<u8>> as ::autod::__private::Fallible>::Error,
            >,
        > {
            ::autod::__private::call_fallible(
                &self.connection,
                &__METHOD_3,
                (),
                ::autod::__private::Upstream::NONE,
            )
        }
        /// Calls [`Counter::save`].
        pub fn save(
            &self,
            path: String,
        ) -> ::autod::Call<(), ::autod::CallError<String>> {
            ::autod::__private::call_fallible(
                &self.connection,
                &__METHOD_4,
                (path,),
                ::autod::__private::Upstream::NONE,
            )
        }
        /// Calls [`Counter::close`].
        pub fn close(&self) -> ::autod::Call<()> {
            ::autod::__private::call(
                &self.connection,
                &__METHOD_5,
                (),
                ::autod::__private::Upstream::NONE,
            )
        }
    }
    #[automatically_derived]
    impl ::core::clone::Clone for CounterClient {
        fn clone(&self) -> Self {
            Self {
                connection: ::core::clone::Clone::clone(&self.connection),
            }
        }
    }
    #[automatically_derived]
    impl ::core::fmt::Debug for CounterClient {
        fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            __f.debug_struct("CounterClient")
                .field("connection", &self.connection)
                .finish()
        }
    }
    #[automatically_derived]
    impl ::autod::__private::Client for CounterClient {
        fn from_connection(__connection: ::autod::__private::Connection) -> Self {
            Self { connection: __connection }
        }
        fn connection(&self) -> &::autod::__private::Connection {
            &self.connection
        }
    }
    #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]
    impl CounterBlockingClient {
        /// Adds `n` and returns the new total.
        #[inline]
        pub fn add(&self, n: i64) -> ::core::result::Result<i64, ::autod::Error> {
            ::autod::__private::blocking::call(
                &self.connection,
                <CounterClient>::add(
                    &::autod::__private::blocking::client::<
                        CounterClient,
                    >(&self.connection),
                    n,
                ),
            )
        }
        /// The total now, and after every change.
        #[inline]
        pub fn watch(&self) -> ::autod::blocking::Incoming<i64> {
            ::autod::__private::blocking::open(
                &self.connection,
                <CounterClient>::watch(
                    &::autod::__private::blocking::client::<
                        CounterClient,
                    >(&self.connection),
                ),
            )
        }
        #[cfg(feature = "division")]
        /// Calls [`Counter::div`].
        #[inline]
        pub fn div(
            &self,
            a: i64,
            b: i64,
        ) -> ::core::result::Result<i64, ::autod::CallError<String>> {
            ::autod::__private::blocking::call(
                &self.connection,
                <CounterClient>::div(
                    &::autod::__private::blocking::client::<
                        CounterClient,
                    >(&self.connection),
                    a,
                    b,
                ),
            )
        }
        /// Calls [`Counter::load`].
        #[inline]
        pub fn load(
            &self,
        ) -> ::core::result::Result<
            <io::Result<Vec<u8>> as ::autod::__private::Fallible>::Value,
            ::autod::CallError<
                <io::Result<Vec<u8>> as ::autod::__private::Fallible>::Error,
            >,
        > {
            ::autod::__private::blocking::call(
                &self.connection,
                <CounterClient>::load(
                    &::autod::__private::blocking::client::<
                        CounterClient,
                    >(&self.connection),
                ),
            )
        }
        /// Calls [`Counter::save`].
        #[inline]
        pub fn save(
            &self,
            path: String,
        ) -> ::core::result::Result<(), ::autod::CallError<String>> {
            ::autod::__private::blocking::call(
                &self.connection,
                <CounterClient>::save(
                    &::autod::__private::blocking::client::<
                        CounterClient,
                    >(&self.connection),
                    path,
                ),
            )
        }
        /// Calls [`Counter::close`].
        #[inline]
        pub fn close(&self) -> ::core::result::Result<(), ::autod::Error> {
            ::autod::__private::blocking::call(
                &self.connection,
                <CounterClient>::close(
                    &::autod::__private::blocking::client::<
                        CounterClient,
                    >(&self.connection),
                ),
            )
        }
    }
    #[automatically_derived]
    impl ::core::clone::Clone for CounterBlockingClient {
        fn clone(&self) -> Self {
            Self {
                connection: ::core::clone::Clone::clone(&self.connection),
            }
        }
    }
    #[automatically_derived]
    impl ::core::fmt::Debug for CounterBlockingClient {
        fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            __f.debug_struct("CounterBlockingClient")
                .field("connection", &self.connection)
                .finish()
        }
    }
    #[automatically_derived]
    impl ::autod::__private::blocking::Client for CounterBlockingClient {
        type Async = CounterClient;
        fn from_connection(
            __connection: ::autod::__private::blocking::Connection,
        ) -> Self {
            Self { connection: __connection }
        }
        fn connection(&self) -> &::autod::__private::blocking::Connection {
            &self.connection
        }
    }
    const __ID_0: u64 = __METHOD_0.id;
    const __ID_1: u64 = __METHOD_1.id;
    #[cfg(feature = "division")]
    const __ID_2: u64 = __METHOD_2.id;
    const __ID_3: u64 = __METHOD_3.id;
    const __ID_4: u64 = __METHOD_4.id;
    const __ID_5: u64 = __METHOD_5.id;
    #[automatically_derived]
    impl<__T: Counter> ::autod::__private::Serves<__T> for CounterClient {
        fn dispatch<__R: ::autod::__private::Request>(
            __target: ::std::sync::Arc<__T>,
            __request: __R,
        ) -> impl ::core::future::Future<
            Output = ::autod::__private::Answered,
        > + ::core::marker::Send + 'static {
            async move {
                match <__R as ::autod::__private::Request>::method(&__request) {
                    __ID_0 => {
                        let ((__argument_0,), __request) = match <__R as ::autod::__private::Request>::arguments::<
                            (i64,),
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Counter>::add(&*__target, __argument_0)
                            .await;
                        <__R as ::autod::__private::Request>::reply::<
                            i64,
                        >(__request, __output)
                    }
                    __ID_1 => {
                        let ((), __request) = match <__R as ::autod::__private::Request>::arguments::<
                            (),
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Counter>::watch(&*__target);
                        <__R as ::autod::__private::Request>::stream(
                                __request,
                                __output,
                                __METHOD_1.policy,
                            )
                            .await
                    }
                    #[cfg(feature = "division")]
                    __ID_2 => {
                        let ((__argument_0, __argument_1), __request) = match <__R as ::autod::__private::Request>::arguments::<
                            (i64, i64),
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Counter>::div(
                                &*__target,
                                __argument_0,
                                __argument_1,
                            )
                            .await;
                        <__R as ::autod::__private::Request>::reply_result::<
                            i64,
                            String,
                        >(
                            __request,
                            <Result<
                                i64,
                                String,
                            > as ::autod::__private::Fallible>::into_result(__output),
                        )
                    }
                    __ID_3 => {
                        let ((), __request) = match <__R as ::autod::__private::Request>::arguments::<
                            (),
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Counter>::load(&*__target).await;
                        <__R as ::autod::__private::Request>::reply_result::<
                            <io::Result<Vec<u8>> as ::autod::__private::Fallible>::Value,
                            <io::Result<Vec<u8>> as ::autod::__private::Fallible>::Error,
                        >(
                            __request,
                            <io::Result<
                                Vec<u8>,
                            > as ::autod::__private::Fallible>::into_result(__output),
                        )
                    }
                    __ID_4 => {
                        <__R as ::autod::__private::Request>::keep(&__request);
                        let ((__argument_0,), __request) = match <__R as ::autod::__private::Request>::arguments::<
                            (String,),
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Counter>::save(&*__target, __argument_0)
                            .await;
                        <__R as ::autod::__private::Request>::reply_result::<
                            (),
                            String,
                        >(
                            __request,
                            <Result<
                                (),
                                String,
                            > as ::autod::__private::Fallible>::into_result(__output),
                        )
                    }
                    __ID_5 => {
                        let ((), __request) = match <__R as ::autod::__private::Request>::arguments::<
                            (),
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Counter>::close(&*__target).await;
                        <__R as ::autod::__private::Request>::reply::<
                            (),
                        >(__request, __output)
                    }
                    _ => <__R as ::autod::__private::Request>::unknown(__request),
                }
            }
        }
    }
};
