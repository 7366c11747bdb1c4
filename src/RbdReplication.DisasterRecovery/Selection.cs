namespace RbdReplication.DisasterRecovery;

/// <summary>The claims that a procedure is for.</summary>
/// <param name="Namespace">Their namespace.</param>
/// <param name="Names">Their names; empty where <paramref name="Selector"/> tells them.</param>
/// <param name="Selector">Labels, as kubectl takes them; null where the names tell them.</param>
public sealed record Selection(string Namespace, IReadOnlyList<string> Names, string? Selector)
{
    /// <summary>Whether the claims of the whole namespace are meant.</summary>
    public bool IsAll => Names.Count == 0 && Selector is null;

    /// <summary>How people call it.</summary>
    internal string Words => Names.Count > 0 ? string.Join(", ", Names.Select(name => $"{Namespace}/{name}"))
        : Selector is null ? $"the claims of namespace {Namespace}"
        : $"the claims of namespace {Namespace} with {Selector}";

    /// <summary>Names of the claims, in order.</summary>
    /// <exception cref="ProcedureException">No claim has these labels, or the server does not answer.</exception>
    internal async Task<IReadOnlyList<string>> FindAsync(Site site, CancellationToken cancellation)
    {
        if (Names.Count > 0)
            return [.. Names.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        var found = await site.ListAsync(Kinds.Claim, Namespace, Selector, cancellation).ConfigureAwait(false);
        return found.Count > 0 ? [.. found.Select(claim => claim.Name()).Order(StringComparer.Ordinal)] : throw new ProcedureException(
            $"{site.Name} has none of {Words}", "see kubectl get pvc --show-labels, and the namespace (-n)");
    }
}
