#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the service `Meter`",
    label = "an object that serves `Meter` implements the trait `Meter`"
)]
pub trait Meter: ::core::marker::Send + ::core::marker::Sync + 'static {
    fn sum(
        &self,
        start: i64,
        numbers: ::autod::Incoming<i64>,
    ) -> impl ::core::future::Future<Output = i64> + ::core::marker::Send;
    fn twice(
        &self,
        numbers: ::autod::Incoming<i64>,
    ) -> impl Stream<Item = i64> + ::core::marker::Send;
    fn open(
        &self,
        name: String,
    ) -> impl ::core::future::Future<
        Output = Result<impl Stream<Item = i64> + ::core::marker::Send, String>,
    > + ::core::marker::Send;
    fn upper(
        &self,
        bytes: ByteStream,
    ) -> impl ::core::future::Future<
        Output = Result<u64, String>,
    > + ::core::marker::Send;
}
#[allow(deprecated)]
#[automatically_derived]
impl<__T: Meter + ?::core::marker::Sized> Meter for ::std::sync::Arc<__T> {
    fn sum(
        &self,
        start: i64,
        numbers: ::autod::Incoming<i64>,
    ) -> impl ::core::future::Future<Output = i64> + ::core::marker::Send {
        <__T as Meter>::sum(&**self, start, numbers)
    }
    fn twice(
        &self,
        numbers: ::autod::Incoming<i64>,
    ) -> impl Stream<Item = i64> + ::core::marker::Send {
        <__T as Meter>::twice(&**self, numbers)
    }
    fn open(
        &self,
        name: String,
    ) -> impl ::core::future::Future<
        Output = Result<impl Stream<Item = i64> + ::core::marker::Send, String>,
    > + ::core::marker::Send {
        <__T as Meter>::open(&**self, name)
    }
    fn upper(
        &self,
        bytes: ByteStream,
    ) -> impl ::core::future::Future<
        Output = Result<u64, String>,
    > + ::core::marker::Send {
        <__T as Meter>::upper(&**self, bytes)
    }
}
/// The client of [`Meter`].
#[allow(deprecated)]
pub struct MeterClient {
    connection: ::autod::__private::Connection,
}
/// The client of [`Meter`] that blocks.
#[allow(dead_code, deprecated)]
pub struct MeterBlockingClient {
    connection: ::autod::__private::blocking::Connection,
}
#[allow(deprecated)]
const _: () = {
    const __METHOD_0: ::autod::__private::Method = ::autod::__private::Method {
        name: "sum",
        id: ::autod::__private::method_id("sum"),
        kind: ::autod::__private::Kind::ClientStream,
        arguments: &[
            ::autod::__private::Argument {
                name: "start",
                ty: "i64",
            },
        ],
        input: ::core::option::Option::Some(::autod::__private::Argument {
            name: "numbers",
            ty: "i64",
        }),
        output: "i64",
        error: ::core::option::Option::None,
        policy: ::autod::__private::Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    };
    const __METHOD_1: ::autod::__private::Method = ::autod::__private::Method {
        name: "twice",
        id: ::autod::__private::method_id("twice"),
        kind: ::autod::__private::Kind::BothWays,
        arguments: &[],
        input: ::core::option::Option::Some(::autod::__private::Argument {
            name: "numbers",
            ty: "i64",
        }),
        output: "i64",
        error: ::core::option::Option::None,
        policy: ::autod::__private::Policy::DropOldest(64usize),
        no_cancel: false,
        idempotent: false,
        docs: "",
    };
    const __METHOD_2: ::autod::__private::Method = ::autod::__private::Method {
        name: "open",
        id: ::autod::__private::method_id("open"),
        kind: ::autod::__private::Kind::Stream,
        arguments: &[
            ::autod::__private::Argument {
                name: "name",
                ty: "String",
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
        name: "upper",
        id: ::autod::__private::method_id("upper"),
        kind: ::autod::__private::Kind::Bytes,
        arguments: &[],
        input: ::core::option::Option::None,
        output: "u64",
        error: ::core::option::Option::Some("String"),
        policy: ::autod::__private::Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    };
    const __TABLE: ::autod::__private::Table = ::autod::__private::Table::new(
        "Meter",
        "",
        &[__METHOD_0, __METHOD_1, __METHOD_2, __METHOD_3],
    );
    const _: () = ::autod::__private::assert_distinct(__TABLE.methods);
    #[automatically_derived]
    impl ::autod::__private::Service for MeterClient {
        const TABLE: &'static ::autod::__private::Table = &__TABLE;
    }
    #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]
    impl MeterClient {
        /// Calls [`Meter::sum`].
        pub fn sum(
            &self,
            start: i64,
            numbers: impl Stream<Item = i64> + ::core::marker::Send + 'static,
        ) -> ::autod::Call<i64> {
            ::autod::__private::call(
                &self.connection,
                &__METHOD_0,
                (start,),
                ::autod::__private::Upstream::items::<i64>(numbers),
            )
        }
        /// Calls [`Meter::twice`].
        pub fn twice(
            &self,
            numbers: impl Stream<Item = i64> + ::core::marker::Send + 'static,
        ) -> ::autod::Incoming<i64> {
            ::autod::__private::open(
                &self.connection,
                &__METHOD_1,
                (),
                ::autod::__private::Upstream::items::<i64>(numbers),
            )
        }
        /// Calls [`Meter::open`].
        pub fn open(
            &self,
            name: String,
        ) -> ::autod::Incoming<i64, ::autod::CallError<String>> {
            ::autod::__private::open_fallible(
                &self.connection,
                &__METHOD_2,
                (name,),
                ::autod::__private::Upstream::NONE,
            )
        }
        /// Calls [`Meter::upper`].
        pub fn upper(&self) -> ::autod::Pipe<u64, ::autod::CallError<String>> {
            ::autod::__private::pipe_fallible(&self.connection, &__METHOD_3, ())
        }
    }
    #[automatically_derived]
    impl ::core::clone::Clone for MeterClient {
        fn clone(&self) -> Self {
            Self {
                connection: ::core::clone::Clone::clone(&self.connection),
            }
        }
    }
    #[automatically_derived]
    impl ::core::fmt::Debug for MeterClient {
        fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            __f.debug_struct("MeterClient")
                .field("connection", &self.connection)
                .finish()
        }
    }
    #[automatically_derived]
    impl ::autod::__private::Client for MeterClient {
        fn from_connection(__connection: ::autod::__private::Connection) -> Self {
            Self { connection: __connection }
        }
        fn connection(&self) -> &::autod::__private::Connection {
            &self.connection
        }
    }
    #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]
    impl MeterBlockingClient {
        /// Calls [`Meter::sum`].
        #[inline]
        pub fn sum(
            &self,
            start: i64,
            numbers: impl ::core::iter::IntoIterator<
                Item = i64,
                IntoIter: ::core::marker::Send + 'static,
            >,
        ) -> ::core::result::Result<i64, ::autod::Error> {
            ::autod::__private::blocking::call(
                &self.connection,
                <MeterClient>::sum(
                    &::autod::__private::blocking::client::<
                        MeterClient,
                    >(&self.connection),
                    start,
                    ::autod::__private::blocking::items(numbers),
                ),
            )
        }
        /// Calls [`Meter::twice`].
        #[inline]
        pub fn twice(
            &self,
            numbers: impl ::core::iter::IntoIterator<
                Item = i64,
                IntoIter: ::core::marker::Send + 'static,
            >,
        ) -> ::autod::blocking::Incoming<i64> {
            ::autod::__private::blocking::open(
                &self.connection,
                <MeterClient>::twice(
                    &::autod::__private::blocking::client::<
                        MeterClient,
                    >(&self.connection),
                    ::autod::__private::blocking::items(numbers),
                ),
            )
        }
        /// Calls [`Meter::open`].
        #[inline]
        pub fn open(
            &self,
            name: String,
        ) -> ::autod::blocking::Incoming<i64, ::autod::CallError<String>> {
            ::autod::__private::blocking::open(
                &self.connection,
                <MeterClient>::open(
                    &::autod::__private::blocking::client::<
                        MeterClient,
                    >(&self.connection),
                    name,
                ),
            )
        }
        /// Calls [`Meter::upper`].
        #[inline]
        pub fn upper(&self) -> ::autod::blocking::Pipe<u64, ::autod::CallError<String>> {
            ::autod::__private::blocking::pipe(
                &self.connection,
                <MeterClient>::upper(
                    &::autod::__private::blocking::client::<
                        MeterClient,
                    >(&self.connection),
                ),
            )
        }
    }
    #[automatically_derived]
    impl ::core::clone::Clone for MeterBlockingClient {
        fn clone(&self) -> Self {
            Self {
                connection: ::core::clone::Clone::clone(&self.connection),
            }
        }
    }
    #[automatically_derived]
    impl ::core::fmt::Debug for MeterBlockingClient {
        fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            __f.debug_struct("MeterBlockingClient")
                .field("connection", &self.connection)
                .finish()
        }
    }
    #[automatically_derived]
    impl ::autod::__private::blocking::Client for MeterBlockingClient {
        type Async = MeterClient;
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
    const __ID_2: u64 = __METHOD_2.id;
    const __ID_3: u64 = __METHOD_3.id;
    #[automatically_derived]
    impl<__T: Meter> ::autod::__private::Serves<__T> for MeterClient {
        fn dispatch<__R: ::autod::__private::Request>(
            __target: ::std::sync::Arc<__T>,
            __request: __R,
        ) -> impl ::core::future::Future<
            Output = ::autod::__private::Answered,
        > + ::core::marker::Send + 'static {
            async move {
                match <__R as ::autod::__private::Request>::method(&__request) {
                    __ID_0 => {
                        let ((__argument_0,), __input, __request) = match <__R as ::autod::__private::Request>::arguments_and_items::<
                            (i64,),
                            i64,
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Meter>::sum(
                                &*__target,
                                __argument_0,
                                __input,
                            )
                            .await;
                        <__R as ::autod::__private::Request>::reply::<
                            i64,
                        >(__request, __output)
                    }
                    __ID_1 => {
                        let ((), __input, __request) = match <__R as ::autod::__private::Request>::arguments_and_items::<
                            (),
                            i64,
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Meter>::twice(&*__target, __input);
                        <__R as ::autod::__private::Request>::stream(
                                __request,
                                __output,
                                __METHOD_1.policy,
                            )
                            .await
                    }
                    __ID_2 => {
                        let ((__argument_0,), __request) = match <__R as ::autod::__private::Request>::arguments::<
                            (String,),
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Meter>::open(&*__target, __argument_0)
                            .await;
                        match ::autod::__private::Fallible::into_result(__output) {
                            ::core::result::Result::Ok(__items) => {
                                <__R as ::autod::__private::Request>::stream(
                                        __request,
                                        __items,
                                        __METHOD_2.policy,
                                    )
                                    .await
                            }
                            ::core::result::Result::Err(__error) => {
                                <__R as ::autod::__private::Request>::reply_error::<
                                    String,
                                >(__request, __error)
                            }
                        }
                    }
                    __ID_3 => {
                        let ((), __input, __request) = match <__R as ::autod::__private::Request>::arguments_and_bytes::<
                            (),
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Meter>::upper(&*__target, __input).await;
                        <__R as ::autod::__private::Request>::reply_result::<
                            u64,
                            String,
                        >(
                            __request,
                            <Result<
                                u64,
                                String,
                            > as ::autod::__private::Fallible>::into_result(__output),
                        )
                    }
                    _ => <__R as ::autod::__private::Request>::unknown(__request),
                }
            }
        }
    }
};
