#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the service `Store`",
    label = "an object that serves `Store` implements the trait `Store`"
)]
pub trait Store<
    K: Ord,
    V = String,
    const MOST: usize = 3,
>: Debug + ::core::marker::Send + ::core::marker::Sync + 'static
where
    V: Clone,
    K: ::autod::Value,
    V: ::autod::Value,
{
    fn put(
        &self,
        key: K,
        value: V,
    ) -> impl ::core::future::Future<Output = Option<V>> + ::core::marker::Send;
    fn take(
        &self,
        key: K,
    ) -> impl ::core::future::Future<Output = Result<V, String>> + ::core::marker::Send;
    fn values(
        &self,
        keys: ::autod::Incoming<K>,
    ) -> impl Stream<Item = V> + ::core::marker::Send;
}
#[allow(deprecated)]
#[automatically_derived]
impl<
    K: Ord,
    V,
    const MOST: usize,
    __T: Store<K, V, MOST> + ?::core::marker::Sized,
> Store<K, V, MOST> for ::std::sync::Arc<__T>
where
    V: Clone,
    K: ::autod::Value,
    V: ::autod::Value,
    ::std::sync::Arc<__T>: Debug,
{
    fn put(
        &self,
        key: K,
        value: V,
    ) -> impl ::core::future::Future<Output = Option<V>> + ::core::marker::Send {
        <__T as Store<K, V, MOST>>::put(&**self, key, value)
    }
    fn take(
        &self,
        key: K,
    ) -> impl ::core::future::Future<Output = Result<V, String>> + ::core::marker::Send {
        <__T as Store<K, V, MOST>>::take(&**self, key)
    }
    fn values(
        &self,
        keys: ::autod::Incoming<K>,
    ) -> impl Stream<Item = V> + ::core::marker::Send {
        <__T as Store<K, V, MOST>>::values(&**self, keys)
    }
}
/// The client of [`Store`].
#[allow(deprecated)]
pub struct StoreClient<K: Ord, V = String, const MOST: usize = 3>
where
    V: Clone,
    K: ::autod::Value,
    V: ::autod::Value,
{
    connection: ::autod::__private::Connection,
    parameters: ::core::marker::PhantomData<fn() -> (K, V)>,
}
/// The client of [`Store`] that blocks.
#[allow(dead_code, deprecated)]
pub struct StoreBlockingClient<K: Ord, V = String, const MOST: usize = 3>
where
    V: Clone,
    K: ::autod::Value,
    V: ::autod::Value,
{
    connection: ::autod::__private::blocking::Connection,
    parameters: ::core::marker::PhantomData<fn() -> (K, V)>,
}
#[allow(deprecated)]
const _: () = {
    const __METHOD_0: ::autod::__private::Method = ::autod::__private::Method {
        name: "put",
        id: ::autod::__private::method_id("put"),
        kind: ::autod::__private::Kind::Unary,
        arguments: &[
            ::autod::__private::Argument {
                name: "key",
                ty: "K",
            },
            ::autod::__private::Argument {
                name: "value",
                ty: "V",
            },
        ],
        input: ::core::option::Option::None,
        output: "Option<V>",
        error: ::core::option::Option::None,
        policy: ::autod::__private::Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    };
    const __METHOD_1: ::autod::__private::Method = ::autod::__private::Method {
        name: "take",
        id: ::autod::__private::method_id("take"),
        kind: ::autod::__private::Kind::Unary,
        arguments: &[
            ::autod::__private::Argument {
                name: "key",
                ty: "K",
            },
        ],
        input: ::core::option::Option::None,
        output: "V",
        error: ::core::option::Option::Some("String"),
        policy: ::autod::__private::Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    };
    const __METHOD_2: ::autod::__private::Method = ::autod::__private::Method {
        name: "values",
        id: ::autod::__private::method_id("values"),
        kind: ::autod::__private::Kind::BothWays,
        arguments: &[],
        input: ::core::option::Option::Some(::autod::__private::Argument {
            name: "keys",
            ty: "K",
        }),
        output: "V",
        error: ::core::option::Option::None,
        policy: ::autod::__private::Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    };
    const __TABLE: ::autod::__private::Table = ::autod::__private::Table::new(
        "Store",
        "",
        &[__METHOD_0, __METHOD_1, __METHOD_2],
    );
    const _: () = ::autod::__private::assert_distinct(__TABLE.methods);
    #[automatically_derived]
    impl<K: Ord, V, const MOST: usize> ::autod::__private::Service
    for StoreClient<K, V, MOST>
    where
        V: Clone,
        K: ::autod::Value,
        V: ::autod::Value,
    {
        const TABLE: &'static ::autod::__private::Table = &__TABLE
            .with_parameters(
                &[
                    ::autod::__private::Parameter {
                        name: "K",
                        identity: ::autod::__private::shape::<K>,
                    },
                    ::autod::__private::Parameter {
                        name: "V",
                        identity: ::autod::__private::shape::<V>,
                    },
                    ::autod::__private::Parameter {
                        name: "MOST",
                        identity: || ::autod::__private::constant(
                            &::std::string::ToString::to_string(&MOST),
                        ),
                    },
                ],
            );
    }
    #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]
    impl<K: Ord, V, const MOST: usize> StoreClient<K, V, MOST>
    where
        V: Clone,
        K: ::autod::Value,
        V: ::autod::Value,
    {
        /// Calls [`Store::put`].
        pub fn put(&self, key: K, value: V) -> ::autod::Call<Option<V>> {
            ::autod::__private::call(
                &self.connection,
                &__METHOD_0,
                (key, value),
                ::autod::__private::Upstream::NONE,
            )
        }
        /// Calls [`Store::take`].
        pub fn take(&self, key: K) -> ::autod::Call<V, ::autod::CallError<String>> {
            ::autod::__private::call_fallible(
                &self.connection,
                &__METHOD_1,
                (key,),
                ::autod::__private::Upstream::NONE,
            )
        }
        /// Calls [`Store::values`].
        pub fn values(
            &self,
            keys: impl Stream<Item = K> + ::core::marker::Send + 'static,
        ) -> ::autod::Incoming<V> {
            ::autod::__private::open(
                &self.connection,
                &__METHOD_2,
                (),
                ::autod::__private::Upstream::items::<K>(keys),
            )
        }
    }
    #[automatically_derived]
    impl<K: Ord, V, const MOST: usize> ::core::clone::Clone for StoreClient<K, V, MOST>
    where
        V: Clone,
        K: ::autod::Value,
        V: ::autod::Value,
    {
        fn clone(&self) -> Self {
            Self {
                connection: ::core::clone::Clone::clone(&self.connection),
                parameters: ::core::marker::PhantomData,
            }
        }
    }
    #[automatically_derived]
    impl<K: Ord, V, const MOST: usize> ::core::fmt::Debug for StoreClient<K, V, MOST>
    where
        V: Clone,
        K: ::autod::Value,
        V: ::autod::Value,
    {
        fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            __f.debug_struct("StoreClient")
                .field("connection", &self.connection)
                .finish()
        }
    }
    #[automatically_derived]
    impl<K: Ord, V, const MOST: usize> ::autod::__private::Client
    for StoreClient<K, V, MOST>
    where
        V: Clone,
        K: ::autod::Value,
        V: ::autod::Value,
    {
        fn from_connection(__connection: ::autod::__private::Connection) -> Self {
            Self {
                connection: __connection,
                parameters: ::core::marker::PhantomData,
            }
        }
        fn connection(&self) -> &::autod::__private::Connection {
            &self.connection
        }
    }
    #[allow(dead_code, deprecated, clippy::all, clippy::pedantic)]
    impl<K: Ord, V, const MOST: usize> StoreBlockingClient<K, V, MOST>
    where
        V: Clone,
        K: ::autod::Value,
        V: ::autod::Value,
    {
        /// Calls [`Store::put`].
        #[inline]
        pub fn put(
            &self,
            key: K,
            value: V,
        ) -> ::core::result::Result<Option<V>, ::autod::Error> {
            ::autod::__private::blocking::call(
                &self.connection,
                <StoreClient<
                    K,
                    V,
                    MOST,
                >>::put(
                    &::autod::__private::blocking::client::<
                        StoreClient<K, V, MOST>,
                    >(&self.connection),
                    key,
                    value,
                ),
            )
        }
        /// Calls [`Store::take`].
        #[inline]
        pub fn take(
            &self,
            key: K,
        ) -> ::core::result::Result<V, ::autod::CallError<String>> {
            ::autod::__private::blocking::call(
                &self.connection,
                <StoreClient<
                    K,
                    V,
                    MOST,
                >>::take(
                    &::autod::__private::blocking::client::<
                        StoreClient<K, V, MOST>,
                    >(&self.connection),
                    key,
                ),
            )
        }
        /// Calls [`Store::values`].
        #[inline]
        pub fn values(
            &self,
            keys: impl ::core::iter::IntoIterator<
                Item = K,
                IntoIter: ::core::marker::Send + 'static,
            >,
        ) -> ::autod::blocking::Incoming<V> {
            ::autod::__private::blocking::open(
                &self.connection,
                <StoreClient<
                    K,
                    V,
                    MOST,
                >>::values(
                    &::autod::__private::blocking::client::<
                        StoreClient<K, V, MOST>,
                    >(&self.connection),
                    ::autod::__private::blocking::items(keys),
                ),
            )
        }
    }
    #[automatically_derived]
    impl<K: Ord, V, const MOST: usize> ::core::clone::Clone
    for StoreBlockingClient<K, V, MOST>
    where
        V: Clone,
        K: ::autod::Value,
        V: ::autod::Value,
    {
        fn clone(&self) -> Self {
            Self {
                connection: ::core::clone::Clone::clone(&self.connection),
                parameters: ::core::marker::PhantomData,
            }
        }
    }
    #[automatically_derived]
    impl<K: Ord, V, const MOST: usize> ::core::fmt::Debug
    for StoreBlockingClient<K, V, MOST>
    where
        V: Clone,
        K: ::autod::Value,
        V: ::autod::Value,
    {
        fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            __f.debug_struct("StoreBlockingClient")
                .field("connection", &self.connection)
                .finish()
        }
    }
    #[automatically_derived]
    impl<K: Ord, V, const MOST: usize> ::autod::__private::blocking::Client
    for StoreBlockingClient<K, V, MOST>
    where
        V: Clone,
        K: ::autod::Value,
        V: ::autod::Value,
    {
        type Async = StoreClient<K, V, MOST>;
        fn from_connection(
            __connection: ::autod::__private::blocking::Connection,
        ) -> Self {
            Self {
                connection: __connection,
                parameters: ::core::marker::PhantomData,
            }
        }
        fn connection(&self) -> &::autod::__private::blocking::Connection {
            &self.connection
        }
    }
    const __ID_0: u64 = __METHOD_0.id;
    const __ID_1: u64 = __METHOD_1.id;
    const __ID_2: u64 = __METHOD_2.id;
    #[automatically_derived]
    impl<
        K: Ord,
        V,
        const MOST: usize,
        __T: Store<K, V, MOST>,
    > ::autod::__private::Serves<__T> for StoreClient<K, V, MOST>
    where
        V: Clone,
        K: ::autod::Value,
        V: ::autod::Value,
    {
        fn dispatch<__R: ::autod::__private::Request>(
            __target: ::std::sync::Arc<__T>,
            __request: __R,
        ) -> impl ::core::future::Future<
            Output = ::autod::__private::Answered,
        > + ::core::marker::Send + 'static {
            async move {
                match <__R as ::autod::__private::Request>::method(&__request) {
                    __ID_0 => {
                        let ((__argument_0, __argument_1), __request) = match <__R as ::autod::__private::Request>::arguments::<
                            (K, V),
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Store<
                            K,
                            V,
                            MOST,
                        >>::put(&*__target, __argument_0, __argument_1)
                            .await;
                        <__R as ::autod::__private::Request>::reply::<
                            Option<V>,
                        >(__request, __output)
                    }
                    __ID_1 => {
                        let ((__argument_0,), __request) = match <__R as ::autod::__private::Request>::arguments::<
                            (K,),
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Store<
                            K,
                            V,
                            MOST,
                        >>::take(&*__target, __argument_0)
                            .await;
                        <__R as ::autod::__private::Request>::reply_result::<
                            V,
                            String,
                        >(
                            __request,
                            <Result<
                                V,
                                String,
                            > as ::autod::__private::Fallible>::into_result(__output),
                        )
                    }
                    __ID_2 => {
                        let ((), __input, __request) = match <__R as ::autod::__private::Request>::arguments_and_items::<
                            (),
                            K,
                        >(__request) {
                            ::core::result::Result::Ok(__decoded) => __decoded,
                            ::core::result::Result::Err(__answered) => return __answered,
                        };
                        let __output = <__T as Store<
                            K,
                            V,
                            MOST,
                        >>::values(&*__target, __input);
                        <__R as ::autod::__private::Request>::stream(
                                __request,
                                __output,
                                __METHOD_2.policy,
                            )
                            .await
                    }
                    _ => <__R as ::autod::__private::Request>::unknown(__request),
                }
            }
        }
    }
};
