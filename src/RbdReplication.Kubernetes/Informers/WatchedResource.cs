using System.Buffers;
using System.Text.Json;

namespace RbdReplication.Kubernetes.Informers;

/// <summary>What an <see cref="Informer{T}"/> follows: where the API server has the objects, and which of them count.</summary>
/// <typeparam name="T">The part of an object that matters; equal ones count as unchanged.</typeparam>
public abstract class WatchedResource<T> where T : class
{
    /// <summary>Path at the API server, for example <c>api/v1/persistentvolumes</c>.</summary>
    public abstract string Path { get; }

    /// <summary>Plural name of the kind, for messages.</summary>
    public abstract string Kind { get; }

    /// <summary>Which of them count, for messages: for example <c>of driver rbd.csi.ceph.com</c>.</summary>
    public abstract string Selection { get; }

    /// <summary>Whether the API server may not have the kind at all: then it is looked for again after <see cref="InformerOptions.AbsenceInterval"/>.</summary>
    public virtual bool IsOptional => false;

    /// <summary>Sixteen bytes that stand for one object and for no other one of the same name later.</summary>
    public abstract Guid IdOf(T item);

    /// <summary>Reads one page of a list.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    internal abstract ValueTask<ListPage<T>> ReadPageAsync(Stream body, CancellationToken cancellationToken);

    /// <summary>Reads one line of a watch.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    internal abstract WatchEvent<T> ReadEvent(ReadOnlySequence<byte> line);
}

/// <summary>One page of a list.</summary>
/// <param name="Items">The objects that count.</param>
/// <param name="Version">Version to watch from.</param>
/// <param name="Continue">Asks for the next page; null or empty at the end.</param>
internal sealed record ListPage<T>(IReadOnlyList<T> Items, string? Version, string? Continue);

/// <summary>One line of a watch.</summary>
/// <param name="Type"><c>ADDED</c>, <c>MODIFIED</c>, <c>DELETED</c>, <c>BOOKMARK</c> or <c>ERROR</c>.</param>
/// <param name="Item">The object; null if it does not count.</param>
/// <param name="Version">Version to go on from.</param>
/// <param name="Code">Of an error: the HTTP code.</param>
/// <param name="Message">Of an error.</param>
internal sealed record WatchEvent<T>(string? Type, T? Item, string? Version, int? Code, string? Message) where T : class;
