namespace RbdReplication.Kubernetes.Informers;

/// <summary>What <see cref="Informer{T}"/> reports, in order.</summary>
public abstract record ObjectChange<T> where T : class
{
    private ObjectChange()
    {
    }

    /// <summary>One page of a full list. A list may be repeated: every object is reported again.</summary>
    public sealed record Listed(IReadOnlyList<T> Items) : ObjectChange<T>;

    /// <summary>The last page has been reported, and after it the objects that are gone since the list before.</summary>
    /// <param name="Count">Objects that there are.</param>
    public sealed record ListCompleted(int Count) : ObjectChange<T>;

    /// <summary>An object appeared, or something about it changed that matters.</summary>
    public sealed record Applied(T Item) : ObjectChange<T>;

    /// <summary>An object is gone.</summary>
    /// <param name="Id">What <see cref="WatchedResource{T}.IdOf"/> says of it.</param>
    public sealed record Deleted(Guid Id) : ObjectChange<T>;
}
