using System.Text.Json.Nodes;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Objects;

namespace RbdReplication.DisasterRecovery;

/// <summary>What a VolumeReplication's <c>spec.replicationState</c> asks for.</summary>
internal enum Role
{
    /// <summary>The site where the volume is used.</summary>
    Primary,

    /// <summary>The site that follows.</summary>
    Secondary,

    /// <summary>To be copied anew from the other site, which throws away what is here.</summary>
    Resync,
}

/// <summary>
/// What the CSI-Addons controller switches as one: a VolumeReplication with its claim, or a VolumeGroupReplication with all of its claims.
/// </summary>
/// <param name="Object">The object.</param>
/// <param name="Kind">Which of the two.</param>
/// <param name="Claims">Names of its claims, in its namespace.</param>
internal sealed record Protection(JsonObject Object, ResourceKind Kind, IReadOnlyList<string> Claims)
{
    public ObjectName Name { get; } = new(Object.Namespace(), Object.Name());

    public bool IsGroup => Kind == Kinds.GroupReplication;

    /// <summary>The VolumeReplicationClass.</summary>
    public string? Class => Object.Text("spec", IsGroup ? "volumeReplicationClassName" : "volumeReplicationClass");

    /// <summary>What it asks for; null for what we don't know.</summary>
    public Role? Wanted => Object.Text("spec", "replicationState") switch
    {
        "primary" => Role.Primary,
        "secondary" => Role.Secondary,
        "resync" => Role.Resync,
        _ => null,
    };

    /// <summary>What the controller has reached, <c>Primary</c>, <c>Secondary</c> or <c>Unknown</c>; null before its first look.</summary>
    public string? Reached => IsCurrent ? Object.Text("status", "state") : null;

    /// <summary>When the newest state that the other site has was taken.</summary>
    public DateTimeOffset? LastSync => Object.Time("status", "lastSyncTime");

    /// <summary>Whether the status is about the object as it is now, and not as it was before a change.</summary>
    public bool IsCurrent =>
        Object.Number("status", "observedGeneration") is not { } seen || Object.Number("metadata", "generation") is not { } generation || seen >= generation;

    /// <summary>Whether the controller has done what is asked for.</summary>
    public bool Has(Role role) =>
        Wanted == role && Reached == (role == Role.Primary ? "Primary" : "Secondary");

    /// <summary>What the controller says of it, in its words; empty where it says nothing.</summary>
    public string Words => Object.Text("status", "message") ?? ConditionMessages.FirstOrDefault() ?? "";

    /// <summary>Why no retry can enable it; null where nothing says so.</summary>
    public string? Invalid => ConditionOf("Validated") is { } condition && condition.Text("status") == "False"
        ? condition.Text("message") ?? condition.Text("reason") ?? "it is not valid"
        : null;

    /// <summary>The status of a condition, <c>True</c>, <c>False</c> or <c>Unknown</c>; null where there is none.</summary>
    public string? StatusOf(string condition) => ConditionOf(condition)?.Text("status");

    /// <summary>The message of a condition.</summary>
    public string? MessageOf(string condition) => ConditionOf(condition)?.Text("message");

    // The newest first: a condition that was changed last is about what happens now.
    private IEnumerable<string> ConditionMessages => Object.Objects("status", "conditions")
        .Where(condition => condition.Text("type") is "Completed" or "Validated" && condition.Text("status") == "False"
            || condition.Text("type") is "Degraded" or "Resyncing" && condition.Text("status") == "True")
        .OrderByDescending(condition => condition.Time("lastTransitionTime"))
        .Select(condition => condition.Text("message")).OfType<string>();

    private JsonObject? ConditionOf(string type) => Object.Objects("status", "conditions").FirstOrDefault(condition => condition.Text("type") == type);

    /// <summary>Reads a VolumeReplication; null for one that is a group's own.</summary>
    public static Protection? OfVolume(JsonObject item) => item.Text("spec", "dataSource", "kind") == Kinds.Claim.Kind
        ? new Protection(item, Kinds.VolumeReplication, [item.Text("spec", "dataSource", "name") ?? ""])
        : null;

    /// <summary>Reads a VolumeGroupReplication, whose controller lists the claims that it has selected.</summary>
    public static Protection OfGroup(JsonObject item) =>
        new(item, Kinds.GroupReplication, [.. item.Objects("status", "persistentVolumeClaimsRefList").Select(claim => claim.Text("name") ?? "").Order(StringComparer.Ordinal)]);
}
