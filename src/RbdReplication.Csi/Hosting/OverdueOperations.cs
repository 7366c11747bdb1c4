using System.Text.Json.Serialization;
using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>Tells the log when an operation outlives its caller, when it has ended, and of a failure that nobody else hears of.</summary>
internal sealed partial class OverdueLog(ILogger<VolumeGate> logger, TimeProvider time)
{
    public void Report(PendingOperation operation, bool hasEnded, string? failure)
    {
        var seconds = (time.GetUtcNow() - operation.StartedAt).TotalSeconds;
        if (!hasEnded)
            Overdue(operation.Operation, operation.Volume, seconds, operation.GivesWay ? "it gives way to any change of the volume" : "until it ends the volume is reported busy");
        else if (failure is null)
            Ended(operation.Operation, operation.Volume, seconds);
        else
            Failed(operation.Operation, operation.Volume, seconds, failure);
    }

    [LoggerMessage(EventIds.OperationOverdue, LogLevel.Warning, "Overdue: {Operation} of volume {VolumeHandle} goes on, {Seconds:0} s after it began, though its caller has stopped waiting; {Meaning}")]
    private partial void Overdue(string operation, VolumeHandle volumeHandle, double seconds, string meaning);

    [LoggerMessage(EventIds.OverdueSucceeded, LogLevel.Information, "Overdue {Operation} of volume {VolumeHandle} has succeeded after {Seconds:0} s")]
    private partial void Ended(string operation, VolumeHandle volumeHandle, double seconds);

    [LoggerMessage(EventIds.OverdueFailed, LogLevel.Warning, "Overdue {Operation} of volume {VolumeHandle} has failed after {Seconds:0} s: {Failure}")]
    private partial void Failed(string operation, VolumeHandle volumeHandle, double seconds, string failure);
}

/// <summary>The document of <c>/operations</c>: what a server is doing to volumes now.</summary>
internal sealed record OperationsJson(IReadOnlyList<OperationJson> Operations)
{
    /// <summary>Where a server shows it.</summary>
    public const string Path = "/operations";

    public static OperationsJson Of(VolumeGate gate) => new(
        [.. gate.Pending.OrderBy(operation => operation.StartedAt).Select(operation =>
            new OperationJson(operation.Volume.ToString(), operation.Operation, operation.StartedAt, operation.OverdueSince, operation.GivesWay))]);
}

/// <summary>One operation of it.</summary>
/// <param name="VolumeHandle">Handle by which the caller named the volume.</param>
/// <param name="Operation">What is done.</param>
/// <param name="StartedAt">Since when.</param>
/// <param name="OverdueSince">When its caller stopped waiting; null while one waits.</param>
/// <param name="GivesWay">Whether it ends for any change of the volume, and holds nobody up.</param>
internal sealed record OperationJson(string VolumeHandle, string Operation, DateTimeOffset StartedAt, DateTimeOffset? OverdueSince, bool GivesWay);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(OperationsJson))]
internal sealed partial class OperationsJsonContext : JsonSerializerContext;
