using System.Diagnostics.CodeAnalysis;

namespace RbdReplication.Kubernetes;

/// <summary>
/// Shares equal strings: thousands of volumes name the same few pools, secrets and namespaces. Bounded, because the
/// names come from outside. Not safe for concurrent use.
/// </summary>
internal sealed class StringPool
{
    private const int Capacity = 4096;
    private readonly HashSet<string> _strings = new(StringComparer.Ordinal);

    [return: NotNullIfNotNull(nameof(value))]
    public string? Share(string? value)
    {
        if (value is null)
            return null;
        if (_strings.TryGetValue(value, out var known))
            return known;
        if (_strings.Count >= Capacity)
            _strings.Clear();
        _strings.Add(value);
        return value;
    }
}
