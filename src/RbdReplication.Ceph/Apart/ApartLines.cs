using System.Text.Json.Serialization;

namespace RbdReplication.Ceph;

/// <summary>The first line that an <see cref="ApartProcess"/> reads: how to reach the cluster. It goes through a pipe, so that the key is seen by nobody else.</summary>
/// <param name="Monitors">As in <see cref="RadosConnectionOptions"/>.</param>
/// <param name="User">The same.</param>
/// <param name="Key">The same, in base64.</param>
/// <param name="ConnectTimeout">The same.</param>
/// <param name="OperationTimeout">The same.</param>
/// <param name="Client">Client id of the connection that it works for, which has the images open, too.</param>
internal sealed record ApartConnection(string Monitors, string User, string Key, TimeSpan ConnectTimeout, TimeSpan OperationTimeout, ulong Client);

/// <summary>Every further line: images of which something is wanted.</summary>
/// <param name="Number">By which the answer is known.</param>
/// <param name="PoolId">Number of their pool.</param>
/// <param name="RadosNamespace">Their rados namespace; empty for the default one.</param>
/// <param name="ImageIds">Their ids.</param>
/// <param name="Generation">The generation that is wanted of them; null: a mirror snapshot, of one image.</param>
internal sealed record ApartOrder(int Number, long PoolId, string RadosNamespace, IReadOnlyList<string> ImageIds, GenerationOrder? Generation);

/// <summary>A generation that is wanted.</summary>
/// <param name="SnapshotName">Name of its user snapshots.</param>
/// <param name="MaximumHold">Longest time that a barrier may take.</param>
internal sealed record GenerationOrder(string SnapshotName, TimeSpan MaximumHold);

/// <summary>What it answers, a line for each order.</summary>
/// <param name="Number">That of the order.</param>
/// <param name="Errno">Zero: no call has failed.</param>
/// <param name="Function">Else the C function that did.</param>
/// <param name="Detail">And what the cluster said.</param>
/// <param name="Generation">What became of a generation.</param>
internal sealed record ApartAnswer(int Number, Errno Errno = 0, string Function = "", string? Detail = null, GenerationAnswer? Generation = null);

/// <summary>What became of a generation, as in <see cref="GenerationOutcome"/>.</summary>
/// <param name="Result">The same.</param>
/// <param name="Held">The same.</param>
/// <param name="Attempts">The same.</param>
/// <param name="Lost">The same.</param>
/// <param name="ImageId">The same.</param>
internal sealed record GenerationAnswer(GenerationResult Result, TimeSpan Held, int Attempts, int Lost, string? ImageId);

[JsonSerializable(typeof(ApartConnection))]
[JsonSerializable(typeof(ApartOrder))]
[JsonSerializable(typeof(ApartAnswer))]
internal sealed partial class ApartLines : JsonSerializerContext;
