using System.Text.Json.Serialization;

namespace RbdReplication.Ceph;

/// <summary>The first line that a <see cref="SnapshotProcess"/> reads: how to reach the cluster. It goes through a pipe, so that the key is seen by nobody else.</summary>
/// <param name="Monitors">As in <see cref="RadosConnectionOptions"/>.</param>
/// <param name="User">The same.</param>
/// <param name="Key">The same, in base64.</param>
/// <param name="ConnectTimeout">The same.</param>
/// <param name="OperationTimeout">The same.</param>
/// <param name="Client">Client id of the connection that it works for, which has the images open, too.</param>
internal sealed record SnapshotConnection(string Monitors, string User, string Key, TimeSpan ConnectTimeout, TimeSpan OperationTimeout, ulong Client);

/// <summary>Every further line: an image of which a mirror snapshot is wanted.</summary>
/// <param name="Number">By which the answer is known.</param>
/// <param name="PoolId">Number of its pool.</param>
/// <param name="RadosNamespace">Its rados namespace; empty for the default one.</param>
/// <param name="ImageId">Its id.</param>
internal sealed record SnapshotOrder(int Number, long PoolId, string RadosNamespace, string ImageId);

/// <summary>What it answers, a line for each order.</summary>
/// <param name="Number">That of the order.</param>
/// <param name="Errno">Zero: the snapshot is taken.</param>
/// <param name="Function">Else the C function that failed.</param>
/// <param name="Detail">And what the cluster said.</param>
internal sealed record SnapshotAnswer(int Number, Errno Errno = 0, string Function = "", string? Detail = null);

[JsonSerializable(typeof(SnapshotConnection))]
[JsonSerializable(typeof(SnapshotOrder))]
[JsonSerializable(typeof(SnapshotAnswer))]
internal sealed partial class SnapshotLines : JsonSerializerContext;
