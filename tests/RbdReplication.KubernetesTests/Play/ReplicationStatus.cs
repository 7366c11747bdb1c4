using System.Globalization;
using System.Text.Json.Nodes;
using Google.Protobuf.WellKnownTypes;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.KubernetesTests.Play;

/// <summary>The status of a VolumeReplication, as the controller writes it.</summary>
/// <param name="replication">The object; its status is changed here, and stored by whoever holds it.</param>
internal sealed class ReplicationStatus(JsonObject replication)
{
    private readonly JsonObject _status = Status(replication);
    private readonly long _generation = (long)replication["metadata"]!["generation"]!;

    /// <summary><c>Primary</c>, <c>Secondary</c> or <c>Unknown</c>, which is also what a new object is.</summary>
    public string State => (string?)_status["state"] ?? "Unknown";

    public bool HasDestination => _status["destinationVolumeID"] is not null;

    /// <summary>What is set at the end of each reconcile.</summary>
    public void End(string state, string message)
    {
        _status["state"] = state;
        _status["message"] = message;
        _status["observedGeneration"] = _generation;
    }

    public void Started() => _status["lastStartTime"] = Text(DateTime.UtcNow);

    public void Completed() => _status["lastCompletionTime"] = Text(DateTime.UtcNow);

    public void Promoted() => Set(("Completed", true, "Promoted", "volume is promoted"), ("Degraded", false, "Healthy", "volume is healthy"), NotResyncing);

    public void Demoted() => Set(("Completed", true, "Demoted", "volume is demoted"), ("Degraded", true, "VolumeDegraded", "volume is degraded"), NotResyncing);

    public void Resyncing() =>
        Set(("Completed", true, "Demoted", "volume is demoted"), ("Degraded", true, "VolumeDegraded", "volume is degraded"), ("Resyncing", true, "ResyncTriggered", "resync is triggered"));

    public void InStep() => Set(("Degraded", false, "Healthy", "volume is healthy"), NotResyncing);

    public void PromotionFailed(string message) =>
        Set(("Completed", false, "FailedToPromote", message), ("Degraded", true, "Error", message), NotResyncing, ("Validated", true, "PrerequisiteMet", "volume is validated"));

    /// <summary>Nothing sets it back: a fault upstream, which servers have to live with.</summary>
    public void ValidationFailed(string message) =>
        Set(("Completed", false, "FailedToPromote", message), ("Degraded", true, "Error", message), NotResyncing, ("Validated", false, "PrerequisiteNotMet", message));

    public void DemotionFailed(string message) => Set(("Completed", false, "FailedToDemote", message), ("Degraded", true, "Error", message), NotResyncing);

    public void ResyncFailed(string message) =>
        Set(("Completed", false, "FailedToResync", message), ("Degraded", true, "Error", message), ("Resyncing", false, "FailedToResync", message));

    /// <summary>What the storage says of the replication; a time that it does not have is left as it was.</summary>
    public void Info(GetVolumeReplicationInfoResponse info)
    {
        if (info.LastSyncTime is { } time)
        {
            _status["lastSyncTime"] = Text(time.ToDateTime());
            Keep("lastSyncDuration", info.LastSyncDuration is { } took ? Seconds(took) : null);
            Keep("lastSyncBytes", info.LastSyncBytes == 0 ? null : info.LastSyncBytes);
        }
        var (is_, reason) = info.Status switch
        {
            GetVolumeReplicationInfoResponse.Types.Status.Healthy => ("True", "Replicating"),
            GetVolumeReplicationInfoResponse.Types.Status.Degraded => ("False", "Degraded"),
            GetVolumeReplicationInfoResponse.Types.Status.Error => ("False", "Error"),
            _ => ("Unknown", "Unknown"),
        };
        Set("Replicating", is_, reason, info.StatusMessage);
    }

    /// <summary>The secondary has no time of its own.</summary>
    public void ForgetSyncTime() => _status.Remove("lastSyncTime");

    public void Destination(string handle)
    {
        _status["destinationVolumeID"] = handle;
        Set("DestinationInfoAvailable", "True", "DestinationInfoUpdated", "destination info is available");
    }

    private static (string, bool, string, string) NotResyncing => ("Resyncing", false, "NotResyncing", "volume is not resyncing");

    private static JsonObject Status(JsonObject replication)
    {
        if (replication["status"] is not JsonObject status)
            replication["status"] = status = [];
        return status;
    }

    private void Keep(string name, JsonNode? value)
    {
        _status.Remove(name);
        if (value is not null)
            _status[name] = value;
    }

    private void Set(params (string Type, bool Is, string Reason, string Message)[] conditions)
    {
        foreach (var (type, is_, reason, message) in conditions)
            Set(type, is_ ? "True" : "False", reason, message);
    }

    private void Set(string type, string is_, string reason, string message)
    {
        if (_status["conditions"] is not JsonArray conditions)
            _status["conditions"] = conditions = [];
        if (conditions.FirstOrDefault(c => (string?)c!["type"] == type) is not JsonObject condition)
            conditions.Add(condition = new JsonObject { ["type"] = type });
        if ((string?)condition["status"] != is_)
            condition["lastTransitionTime"] = Text(DateTime.UtcNow);
        condition["status"] = is_;
        condition["reason"] = reason;
        condition["message"] = message;
        condition["observedGeneration"] = _generation;
    }

    private static string Text(DateTime time) => time.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    private static string Seconds(Duration time) => time.ToTimeSpan().TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture) + "s";
}
