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
/// <param name="OwnReplication">The VolumeReplication that the controller has made of a group, which it switches; null where there is none.</param>
internal sealed record Protection(JsonObject Object, ResourceKind Kind, IReadOnlyList<string> Claims, JsonObject? OwnReplication = null)
{
    public ObjectName Name { get; } = new(Object.Namespace(), Object.Name());

    public bool IsGroup => Kind == Kinds.GroupReplication;

    /// <summary>The VolumeReplicationClass.</summary>
    public string? Class => Object.Text("spec", IsGroup ? "volumeReplicationClassName" : "volumeReplicationClass");

    /// <summary>What it asks for; null for what we don't know.</summary>
    public Role? Wanted => WantedBy(Object);

    /// <summary>What the controller has reached, <c>Primary</c>, <c>Secondary</c> or <c>Unknown</c>; null before its first look.</summary>
    public string? Reached => IsCurrent ? Switched?.Text("status", "state") : null;

    /// <summary>When the newest state that the other site has was taken.</summary>
    public DateTimeOffset? LastSync => Switched?.Time("status", "lastSyncTime");

    /// <summary>Whether the status is about the object as it is now, and not as it was before a change.</summary>
    public bool IsCurrent => IsSeen(Object) && (!IsGroup || (OwnReplication is not null && WantedBy(OwnReplication) == Wanted && IsSeen(OwnReplication)));

    // What a group's own status has is copied from there, with the group's own generation beside it, before anything was done about that.
    private JsonObject? Switched => IsGroup ? OwnReplication : Object;

    private static bool IsSeen(JsonObject item) =>
        item.Number("status", "observedGeneration") is not { } seen || item.Number("metadata", "generation") is not { } generation || seen >= generation;

    private static Role? WantedBy(JsonObject item) => item.Text("spec", "replicationState") switch
    {
        "primary" => Role.Primary,
        "secondary" => Role.Secondary,
        "resync" => Role.Resync,
        _ => null,
    };

    /// <summary>Whether the controller has done what is asked for.</summary>
    public bool Has(Role role) =>
        Wanted == role && Reached == (role == Role.Primary ? "Primary" : "Secondary");

    /// <summary>What the controller says of it, in its words; empty where it says nothing.</summary>
    public string Words => Switched?.Text("status", "message") ?? ConditionMessages.FirstOrDefault() ?? Object.Text("status", "message") ?? "";

    /// <summary>Why no retry can enable it; null where nothing says so.</summary>
    public string? Invalid => ConditionOf("Validated") is { } condition && condition.Text("status") == "False"
        ? condition.Text("message") ?? condition.Text("reason") ?? "it is not valid"
        : null;

    /// <summary>The status of a condition, <c>True</c>, <c>False</c> or <c>Unknown</c>; null where there is none.</summary>
    public string? StatusOf(string condition) => ConditionOf(condition)?.Text("status");

    /// <summary>The message of a condition.</summary>
    public string? MessageOf(string condition) => ConditionOf(condition)?.Text("message");

    // The newest first: a condition that was changed last is about what happens now.
    private IEnumerable<string> ConditionMessages => Conditions
        .Where(condition => condition.Text("type") is "Completed" or "Validated" && condition.Text("status") == "False"
            || condition.Text("type") is "Degraded" or "Resyncing" && condition.Text("status") == "True")
        .OrderByDescending(condition => condition.Time("lastTransitionTime"))
        .Select(condition => condition.Text("message")).OfType<string>();

    private JsonObject? ConditionOf(string type) => Conditions.FirstOrDefault(condition => condition.Text("type") == type);

    private IEnumerable<JsonObject> Conditions => Switched?.Objects("status", "conditions") ?? [];

    /// <summary>Reads the protections of one namespace.</summary>
    /// <param name="replications">Its VolumeReplications, those of groups among them.</param>
    /// <param name="groups">Its VolumeGroupReplications.</param>
    public static IReadOnlyList<Protection> Of(IReadOnlyList<JsonObject> replications, IReadOnlyList<JsonObject> groups) =>
    [
        .. groups.Select(group => Group(group, replications.FirstOrDefault(item => IsOf(item, Kinds.GroupReplication, group.Name())))),
        .. replications.Where(item => IsOf(item, Kinds.Claim, item.Text("spec", "dataSource", "name"))).Select(Single),
    ];

    private static bool IsOf(JsonObject replication, ResourceKind kind, string? name) =>
        replication.Text("spec", "dataSource", "kind") == kind.Kind && replication.Text("spec", "dataSource", "name") == name;

    private static Protection Single(JsonObject item) => new(item, Kinds.VolumeReplication, [item.Text("spec", "dataSource", "name") ?? ""]);

    // Its controller lists the claims that it has selected.
    private static Protection Group(JsonObject item, JsonObject? switched) =>
        new(item, Kinds.GroupReplication, [.. item.Objects("status", "persistentVolumeClaimsRefList").Select(claim => claim.Text("name") ?? "").Order(StringComparer.Ordinal)], switched);
}
